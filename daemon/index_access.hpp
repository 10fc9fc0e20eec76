#pragma once

#include <memory>
#include <string>

#include "config/config.hpp"
#include "core/error.hpp"
#include "daemon/command.hpp"
#include "index/database.hpp"
#include "index/reports.hpp"

namespace m365stage::daemon {

/// The index of the configured stage.root, for commands that ask it while a service may hold the root. Reads
/// the configuration without looking at the files it names. `read_write` is for short transactions only; no
/// mode ever makes the file. Errors:  usage (configuration), index (there is none yet, or it is damaged),
/// disk.
struct open_index {
    static core::result<open_index> open(const global_options& global, index::database::mode mode);
    config::settings settings;
    std::unique_ptr<index::database> db;
};

/// Runs the body of a command; an index error thrown in it becomes its exit code.
int guarded(const std::function<int()>& body);

/// Text on stdout, row by row: written in large pieces, so that a million lines are cheap.
class line_writer {
public:
    line_writer() = default;
    ~line_writer() { flush(); }
    line_writer(const line_writer&) = delete;
    line_writer& operator=(const line_writer&) = delete;

    line_writer& raw(std::string_view text);
    line_writer& number(std::int64_t n);
    std::string& text() { return buffer_; }  ///< to append the row to
    void end_line();
    void flush();
    /// False once nobody reads any more (a pager that was left): time to stop.
    bool wanted() const { return wanted_; }

private:
    std::string buffer_;
    bool wanted_ = true;
};

}  // namespace m365stage::daemon
