#pragma once

#include "restore/calendar_restore.hpp"
#include "restore/event_body.hpp"

namespace m365stage::restore {

/// Of a large attachment in one request (contract 8.2: at most 4 MB); whole lines of the .ics.
constexpr std::int64_t bytes_a_piece = std::int64_t{54} * 60'000;

/// Brings the attachments of one event (or occurrence) in line with those of the tree. Memory: one piece of
/// at most 4 MB. Threads: the network thread. Lifetime: what is referred to outlives it.
class event_attachments {
public:
    /// `file`: path of the .ics below the tree's root. `into`: id of the event or occurrence.
    event_attachments(context& with, const calendar_calls& calls, std::string file, std::string into)
        : with_(with), calls_(calls), file_(std::move(file)), into_(std::move(into)) {}

    /// `fresh`: there are none yet. `alone`: others than these are taken away (an occurrence begins with
    /// those of its series). What can't be put back has an entry of its own in the journal.
    task<core::result<void>> bring(std::vector<staged_attachment> wanted, bool fresh, bool alone);

    /// SHA-256 of those that `bring` could not put there.
    const std::vector<std::string>& lost() const { return lost_; }

private:
    struct remote {
        std::string id, name, sha256;
        bool hashed = false, unreadable = false, kept = false;
        bool is_new = false;  ///< it was not there when `bring` began
    };
    task<core::result<void>> list();
    task<core::result<bool>> is_there(const staged_attachment& a);
    task<core::result<void>> add(const staged_attachment& a);
    task<core::result<void>> add_small(const staged_attachment& a);
    task<core::result<void>> add_large(const staged_attachment& a);
    task<core::result<void>> send_pieces(const staged_attachment& a, std::string address);
    task<core::result<std::string>> read_piece(const staged_attachment& a, std::int64_t at);
    task<core::result<void>> note_lost(
        const staged_attachment& a, std::string why, std::string_view again = {}
    );
    core::result<std::string> read_text(const staged_attachment& a, std::int64_t from, std::int64_t size)
        const;

    context& with_;
    const calendar_calls& calls_;
    std::string file_, into_;
    std::vector<remote> there_;
    bool listed_ = false;  ///< `there_` holds what was there when `bring` began
    std::vector<std::string> lost_;
};

}  // namespace m365stage::restore
