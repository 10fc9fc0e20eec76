#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "graph/paging.hpp"
#include "restore/calendar_restore.hpp"
#include "restore/event_body.hpp"
#include "sources/event_render.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::text;

/// Compares one calendar, or the list of them.
class calendar_reader {
public:
    calendar_reader(context& with, const std::string& owner, bool last)
        : with_(with), calls_(owner), last_(last) {}

    task<core::result<std::uint64_t>> run(journal::written_folder where) {
        const bool calendars = where.parent == calendars_parent;
        core::result<void> listed;
        if (calendars && calls_.is_group()) {
            auto call = calls_.usual_calendar("what was put back");
            auto usual = co_await with_.graph.get_json(std::move(call));
            if (usual) {
                there_[text(*usual, "id")];
            } else {
                listed = usual.error();
            }
        } else {
            auto call = calendars ? calls_.calendars("what was put back")
                                  : calls_.events(where.parent, "what was put back");
            listed = co_await list(std::move(call));
        }
        auto written = co_await with_.log.written_in(std::move(where));
        if (!listed) {
            auto told = co_await note_unread(written, listed.error());
            co_return told ? core::result<std::uint64_t>(open_) : told.error();
        }
        for (auto& [path, e] : written) {
            auto checked = co_await check(path, std::move(e));
            if (!checked) {
                co_return checked.error();
            }
        }
        co_return open_;
    }

private:
    task<core::result<void>> list(graph::call call) {
        const auto take = [this](const json& element) {
            there_[text(element, "id")] = event_fingerprint(element);
        };
        auto listed = co_await graph::each_element(with_.graph, std::move(call), take);
        const bool gone = !listed && listed.error().kind == core::error_kind::not_found;
        co_return gone ? core::result<void>() : listed;
    }

    /// What can't be listed may well be there: it is tried once more, then told in one entry, and the events
    /// stay as they are in the journal. Errors: those that concern everything.
    task<core::result<void>> note_unread(
        const std::vector<std::pair<std::string, entry>>& written, core::error why
    ) {
        if (ends_all(why) || written.empty()) {
            co_return ends_all(why) ? core::result<void>(why) : core::result<void>();
        }
        stop_if_away(with_, why);
        if (!last_) {
            open_ = 1;
            co_return core::result<void>();
        }
        const auto& path = written.front().first;
        const auto above = path.substr(0, std::min(path.rfind('/'), path.size()));
        entry e;
        e.kind = "calendar";
        co_await note(
            with_, above + "\nread back", std::move(e), outcome::failed,
            "what was put into it could not be read back: " + reason_of(why)
        );
        co_return core::result<void>();
    }

    task<core::result<void>> check(std::string path, entry e) {
        const auto found = there_.find(e.id);
        if (found == there_.end()) {
            auto open = co_await note_gone(with_, std::move(path), std::move(e), last_);
            open_ += open;
            co_return core::result<void>();
        }
        if (e.state != outcome::done || e.kind != "event") {
            co_return core::result<void>();
        }
        auto now = found->second;
        if (e.hash.find(' ') != std::string::npos) {
            auto sums = co_await attachments(e.id, path);
            if (!sums) {
                co_return co_await note_failure(with_, std::move(path), std::move(e), sums.error());
            }
            now += sums->empty() ? "" : " " + core::short_tag(*sums);
        }
        if (now != e.hash) {
            const auto why = now.substr(0, now.find(' ')) == e.hash.substr(0, e.hash.find(' '))
                                 ? "read back: its attachments differ from those that were sent"
                                 : "read back: its subject, times or kind differ from what was sent";
            co_await note(with_, std::move(path), std::move(e), outcome::failed, why);
        }
        co_return core::result<void>();
    }

    /// The sums of all files that are attached, sorted, as `mark_of_event` joins them.
    task<core::result<std::string>> attachments(std::string event, std::string path) {
        std::vector<std::string> sums;
        auto call = calls_.attachments(event, path);
        auto all = co_await sources::list_attachments(with_.graph, std::move(call));
        if (!all) {
            co_return all.error();
        }
        for (const auto& element : *all) {
            if (text(element, "@odata.type").ends_with("itemAttachment")) {
                continue;
            }
            auto one = calls_.attachment_bytes(event, text(element, "id"), path);
            auto sum = co_await hash_of_attachment(with_.graph, std::move(one));
            if (!sum) {
                co_return sum.error();
            }
            sums.push_back(std::move(*sum));
        }
        std::sort(sums.begin(), sums.end());
        std::string joined;
        for (const auto& s : sums) {
            joined += s;
        }
        co_return joined;
    }

    context& with_;
    const calendar_calls calls_;
    const bool last_;
    std::map<std::string, std::string> there_;  ///< id: fingerprint
    std::uint64_t open_ = 0;
};

}  // namespace

task<core::result<std::uint64_t>> read_back_calendar(
    context& with, journal::written_folder where, bool last
) {
    calendar_reader r(with, parse_journal_target(where.target).second, last);
    auto open = co_await r.run(std::move(where));
    co_return open;
}

}  // namespace m365stage::restore
