#pragma once

#include "daemon/service.hpp"

namespace m365stage::daemon {

/// The pass that runs now.
struct staging_service::running_pass {
    running_pass() = default;
    std::string only;
    core::unix_seconds started_at = core::now_seconds();
    sync::pass_context* context = nullptr;  ///< while there is one
    std::vector<std::shared_ptr<ticket>> served;
};

/// The connection for questions: used on its own thread alone.
struct staging_service::reading {
    reading() = default;
    std::unique_ptr<index::database> db;
    unsigned opened_for = 0;  ///< the stage that it belongs to, counted
    async::worker thread{1};
};

/// Something that was said of a job, and what the index made of it.
struct staging_service::word {
    enum class meaning { has_read, has_ended, end_lease };
    struct record {
        record() = default;
        std::optional<index::job_row> job;
        bool had_lease = false;
    };
    word(meaning m, std::string id, std::string s, core::unix_seconds at);
    record write(index::database& db) const;
    std::string text() const;
    core::result<void> answer() const;

    meaning what;
    std::string job_id, status;
    core::unix_seconds said_at;
    bool is_late = false;  ///< who said it was told that it is kept
    std::optional<record> written;
};

/// Says an error of the index or the disk as a result.
template <class T>
api::task<core::result<T>> shielded(api::task<core::result<T>> work) {
    std::optional<core::error> why;
    try {
        auto done = co_await std::move(work);
        co_return done;
    } catch (const core::fatal& f) {
        why = f.why();
    }
    co_return *why;
}

}  // namespace m365stage::daemon
