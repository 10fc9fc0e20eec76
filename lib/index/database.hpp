#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace m365stage::index {

using blob = std::string;  ///< bytes; bound and read as BLOB through `as_blob` and `row::bytes`

struct as_blob {
    explicit as_blob(std::string_view b) : bytes(b) {}
    std::string_view bytes;
};

/// One result row; valid inside the callback that it is given to. Columns count from 0.
class row {
public:
    explicit row(sqlite3_stmt* s) : statement_(s) {}
    bool is_null(int column) const;
    std::int64_t integer(int column) const;  ///< 0 for NULL
    std::string text(int column) const;      ///< empty for NULL
    std::string bytes(int column) const;
    std::optional<std::int64_t> maybe_integer(int column) const;
    std::optional<std::string> maybe_text(int column) const;

private:
    sqlite3_stmt* statement_;
};

/// For a process that ends: from now on a lock that another program holds on any index is an error at once,
/// not after ten seconds. Any thread.
void wait_for_no_lock();

/// One SQLite connection with its prepared statements (kept by SQL text, so pass literals).
/// Errors:  throws core::fatal: `disk` when SQLite reports a full or failing disk, `index` otherwise (damaged
/// file,
///          newer schema). Threads: one at a time; the store's worker thread.
class database {
public:
    enum class mode {
        read_write,
        read_only,
        foreign,  ///< to be written, but not an index: the caller makes its own tables
    };

    /// Opens or makes the file (mode 0600) and brings an index' schema up to date (schema/*.sql).
    database(const std::string& file, mode m);
    ~database();
    database(const database&) = delete;
    database& operator=(const database&) = delete;

    /// Runs one statement without a result. Returns the number of rows it changed.
    template <class... Args>
    std::int64_t run(std::string_view sql, const Args&... args) {
        const use u(*this, sql, args...);
        return finish(u.statement);
    }

    /// Calls `each(row)` for every row; stops early if it returns false (a void callback never stops).
    template <class Fn, class... Args>
    void query(std::string_view sql, Fn&& each, const Args&... args) {
        const use u(*this, sql, args...);
        while (step(u.statement)) {
            if constexpr (std::is_void_v<std::invoke_result_t<Fn&, row>>) {
                each(row(u.statement));
            } else if (!each(row(u.statement))) {
                break;
            }
        }
    }

    /// First column of the first row; nullopt if there is no row or it is NULL.
    template <class... Args>
    std::optional<std::int64_t> number(std::string_view sql, const Args&... args) {
        std::optional<std::int64_t> out;
        query(
            sql,
            [&](row r) {
                out = r.maybe_integer(0);
                return false;
            },
            args...
        );
        return out;
    }
    template <class... Args>
    std::optional<std::string> text(std::string_view sql, const Args&... args) {
        std::optional<std::string> out;
        query(
            sql,
            [&](row r) {
                out = r.maybe_text(0);
                return false;
            },
            args...
        );
        return out;
    }

    std::int64_t last_id() const;
    void script(const std::string& sql);  ///< several statements, no parameters
    /// SQLite's own check of the file; empty if it is sound, otherwise the first complaints.
    std::string integrity();
    /// Copies all of it into a new file (SQLite's backup API), as it was at one moment.
    void copy_to(const std::string& file);

    /// A write transaction; rolled back unless `commit` was called. Within another one it is a part of that.
    class transaction {
    public:
        explicit transaction(database& db);
        ~transaction();
        transaction(const transaction&) = delete;
        transaction& operator=(const transaction&) = delete;
        void commit();

    private:
        database& db_;
        bool open_;
    };

private:
    struct impl;

    /// A cached statement in use: bound here, reset when it goes out of scope.
    struct use {
        template <class... Args>
        use(database& db, std::string_view sql, const Args&... args) : statement(db.take(sql)) {
            int index = 0;
            (db.bind(statement, ++index, args), ...);
        }
        ~use();
        use(const use&) = delete;
        use& operator=(const use&) = delete;
        sqlite3_stmt* statement;
    };

    sqlite3_stmt* take(std::string_view sql);
    bool step(sqlite3_stmt* s);
    std::int64_t finish(sqlite3_stmt* s);

    void bind_integer(sqlite3_stmt* s, int index, std::int64_t value);
    void bind_text(sqlite3_stmt* s, int index, std::string_view value);
    void bind_blob(sqlite3_stmt* s, int index, std::string_view value);
    void bind_null(sqlite3_stmt* s, int index);
    template <class T>
    void bind(sqlite3_stmt* s, int index, const T& value) {
        if constexpr (std::is_same_v<T, std::nullptr_t>) {
            bind_null(s, index);
        } else if constexpr (std::is_same_v<T, as_blob>) {
            bind_blob(s, index, value.bytes);
        } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
            bind_integer(s, index, static_cast<std::int64_t>(value));
        } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
            bind_text(s, index, value);
        } else {  // std::optional
            if (value) {
                bind(s, index, *value);
            } else {
                bind_null(s, index);
            }
        }
    }

    std::unique_ptr<impl> impl_;
};

}  // namespace m365stage::index
