#include "index/database.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>
#include <unordered_map>

#include "index/migrations.hpp"

namespace m365stage::index {
namespace {

[[noreturn]] void fail(sqlite3* db, int code, std::string_view what) {
    const int primary = code & 0xFF;
    const bool disk = primary == SQLITE_FULL || primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
    core::error e(
        disk ? core::error_kind::disk : core::error_kind::index,
        db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code)
    );
    e.operation = "index";
    e.object = std::string(what.substr(0, 60));
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
        e.hint =
            "index.db is damaged: move it away and run 'm365stage index rebuild' (the tree is not affected)";
    } else if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
        e.hint = "another program holds index.db locked: it has to let go (fuser shows which)";
    } else if (primary == SQLITE_FULL) {
        e.hint = "the disk of stage.root is full: free some space, nothing is lost";
    }
    throw core::fatal(std::move(e));
}

/// What root makes in the folder of somebody else becomes theirs: the service could not open its index
/// otherwise.
bool give_to_owner_of_folder(int fd, const std::string& file) {
    struct stat folder{};
    struct stat own{};
    const auto slash = file.rfind('/');
    const std::string above = slash == std::string::npos ? "." : file.substr(0, slash + 1);
    const bool needed = ::geteuid() == 0 && ::stat(above.c_str(), &folder) == 0 && ::fstat(fd, &own) == 0 &&
                        own.st_uid == 0 && folder.st_uid != 0;
    return !needed || ::fchown(fd, folder.st_uid, folder.st_gid) == 0;
}

std::atomic<bool> waits_for_locks = true;

/// What SQLite asks when another program holds the lock that it needs, for the `tries`-th time: 1 is once
/// more.
int wait_for_lock(void*, int tries) {
    constexpr int quick_tries = 10, most_tries = 1010;  // of 1 ms and 10 ms: ten seconds
    if (!waits_for_locks || tries >= most_tries) {
        return 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(tries < quick_tries ? 1 : 10));
    return 1;
}

/// Before SQLite is used: it counts every allocation under one lock otherwise, for statistics nobody reads.
void configure_once() {
    static const int done = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    static_cast<void>(done);  // refused when another part of the program was first: nothing but speed is lost
}

}  // namespace

void wait_for_no_lock() {
    waits_for_locks = false;
}

bool row::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t row::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string row::text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string() : std::string(data, size);
}

std::string row::bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string() : std::string(data, size);
}

std::optional<std::int64_t> row::maybe_integer(int column) const {
    if (is_null(column)) {
        return std::nullopt;
    }
    return integer(column);
}

std::optional<std::string> row::maybe_text(int column) const {
    if (is_null(column)) {
        return std::nullopt;
    }
    return text(column);
}

struct database::impl {
    sqlite3* handle = nullptr;
    // Statements live as long as the connection; the SQL texts are literals, so their number is bounded.
    std::unordered_map<std::string_view, sqlite3_stmt*> statements;

    impl() = default;
    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;
    ~impl() {
        for (auto& [sql, s] : statements) {
            sqlite3_finalize(s);
        }
        sqlite3_close(handle);
    }
};

database::database(const std::string& file, mode m) : impl_(std::make_unique<impl>()) {
    if (m != mode::read_only) {
        // SQLite gives its -wal and -shm files the mode of the main file, and its owner, so this covers all
        // three.
        const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) {
            const bool given = give_to_owner_of_folder(fd, file);
            const int code = errno;
            ::close(fd);
            if (!given) {
                throw core::fatal(core::disk_error(code).during("set the owner of").on(file));
            }
        }
    }
    configure_once();
    const int flags =
        m == mode::read_only ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    const int rc = sqlite3_open_v2(file.c_str(), &impl_->handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    if (rc != SQLITE_OK) {
        fail(impl_->handle, rc, file);
    }
    sqlite3_extended_result_codes(impl_->handle, 1);
    sqlite3_busy_handler(impl_->handle, wait_for_lock, nullptr);
    // NORMAL: a commit survives the end of the process, not of the power. Where the order of index and tree
    // matters, the apply step puts a barrier over the whole file system (sync/run/place_files.hpp).
    const char* settings =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
        "PRAGMA cache_size=-8192; PRAGMA mmap_size=0; PRAGMA temp_store=FILE; PRAGMA wal_autocheckpoint=4000;"
        "PRAGMA journal_size_limit=67108864; PRAGMA trusted_schema=OFF;";
    const int set = sqlite3_exec(impl_->handle, settings, nullptr, nullptr, nullptr);
    if (set != SQLITE_OK) {
        fail(impl_->handle, set, file);
    }
    if (m == mode::read_write) {
        migrate(*this);
    } else if (m == mode::read_only) {
        script("PRAGMA query_only=ON;");
        check_version(*this);
    }
}

database::~database() = default;

database::use::~use() {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

sqlite3_stmt* database::take(std::string_view sql) {
    auto found = impl_->statements.find(sql);
    if (found != impl_->statements.end()) {
        return found->second;
    }
    sqlite3_stmt* s = nullptr;
    const int rc = sqlite3_prepare_v3(
        impl_->handle, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &s, nullptr
    );
    if (rc != SQLITE_OK) {
        fail(impl_->handle, rc, sql);
    }
    impl_->statements.emplace(sql, s);
    return s;
}

bool database::step(sqlite3_stmt* s) {
    const int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        return true;
    }
    if (rc != SQLITE_DONE) {
        fail(impl_->handle, rc, sqlite3_sql(s));
    }
    return false;
}

std::int64_t database::finish(sqlite3_stmt* s) {
    while (step(s)) {
    }
    return sqlite3_changes64(impl_->handle);
}

void database::bind_integer(sqlite3_stmt* s, int index, std::int64_t value) {
    sqlite3_bind_int64(s, index, value);
}

// What is bound belongs to the caller of `run` or `query` and outlives the statement's use there.
void database::bind_text(sqlite3_stmt* s, int index, std::string_view value) {
    sqlite3_bind_text64(s, index, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void database::bind_blob(sqlite3_stmt* s, int index, std::string_view value) {
    sqlite3_bind_blob64(s, index, value.data(), value.size(), SQLITE_STATIC);
}

void database::bind_null(sqlite3_stmt* s, int index) {
    sqlite3_bind_null(s, index);
}

std::int64_t database::last_id() const {
    return sqlite3_last_insert_rowid(impl_->handle);
}

void database::script(const std::string& sql) {
    const int rc = sqlite3_exec(impl_->handle, sql.c_str(), nullptr, nullptr, nullptr);
    if (rc != SQLITE_OK) {
        fail(impl_->handle, rc, sql);
    }
}

std::string database::integrity() {
    std::string out;
    query("PRAGMA quick_check(5)", [&](row r) {
        if (r.text(0) != "ok") {
            out += (out.empty() ? "" : "; ") + r.text(0);
        }
    });
    return out;
}

void database::copy_to(const std::string& file) {
    sqlite3* target = nullptr;
    int rc = sqlite3_open_v2(file.c_str(), &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    if (rc == SQLITE_OK) {
        auto* copy = sqlite3_backup_init(target, "main", impl_->handle, "main");
        if (copy == nullptr) {
            rc = sqlite3_errcode(target);
        } else {
            rc = sqlite3_backup_step(copy, -1);  // all of it: a writer would make it begin anew otherwise
            const int end = sqlite3_backup_finish(copy);
            rc = rc == SQLITE_DONE ? end : rc;
        }
    }
    sqlite3_close(target);
    if (rc != SQLITE_OK) {
        fail(nullptr, rc, "copy to " + file);
    }
}

database::transaction::transaction(database& db)
    : db_(db), open_(sqlite3_get_autocommit(db.impl_->handle) != 0) {
    if (open_) {
        db_.run("BEGIN IMMEDIATE");
    }
}

database::transaction::~transaction() {
    if (open_) {
        sqlite3_exec(db_.impl_->handle, "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

void database::transaction::commit() {
    if (open_) {
        db_.run("COMMIT");
        open_ = false;
    }
}

}  // namespace m365stage::index
