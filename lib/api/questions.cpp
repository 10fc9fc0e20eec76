#include "api/questions.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "api/status.hpp"
#include "core/glob.hpp"
#include "index/containers.hpp"
#include "tree/names.hpp"

namespace m365stage::api {
namespace {

using nlohmann::json;

constexpr std::int64_t most_rows = 1000;
constexpr std::size_t longest_status_list = 200;
constexpr int shown_deletions = 5;

/// `rows` as the elements of `name`, and where to go on.
std::string page_of(const char* name, const json& rows, const json& next) {
    return dump(json{{name, rows}, {"next", next}});
}

}  // namespace

core::result<question> ask_status(const request& r, std::string service, bool pass_runs) {
    auto fields = field_reader::of_query(r);
    const bool all = fields.flag("containers");
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    return question([all, pass_runs, service = std::move(service)](index::database& db) {
        status_extent extent;
        extent.all_containers = all;
        extent.longest_list = longest_status_list;
        auto s = gather_status(db);
        s.running = ::getpid();
        s.pass_runs = pass_runs;
        return core::result<std::string>(dump(status_document(db, s, extent, json::parse(service))));
    });
}

core::result<question> ask_passes(const request& r, bool pass_runs) {
    auto fields = field_reader::of_query(r);
    const auto limit = fields.number("limit", 20, 1, most_rows);
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    return question([limit, pass_runs](index::database& db) {
        status_report s;
        s.pass_runs = pass_runs;
        s.passes = index::last_passes(db, static_cast<int>(limit));
        return core::result<std::string>(dump(json{{"passes", passes_document(s)}}));
    });
}

core::result<question> ask_containers(const request& r) {
    auto fields = field_reader::of_query(r);
    const auto pattern = fields.text("pattern");
    const auto after = fields.text("after", 4096);
    const auto limit = fields.number("limit", 200, 1, most_rows);
    const bool noteworthy = fields.flag("noteworthy");
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    return question([=, only = core::path_pattern(pattern)](index::database& db) {
        json rows = json::array();
        json next;
        const auto which = noteworthy ? index::which_containers::noteworthy : index::which_containers::all;
        index::each_container(db, which, after, [&](const index::container& c) {
            if (!only.selects(c.key)) {
                return true;
            }
            if (static_cast<std::int64_t>(rows.size()) == limit) {
                next = rows.back()["container"];
                return false;
            }
            rows.push_back(container_document(c));
            return true;
        });
        return core::result<std::string>(page_of("containers", rows, next));
    });
}

core::result<question> ask_changes(const request& r) {
    auto fields = field_reader::of_query(r);
    const auto since = fields.number("since", -1, 0, std::numeric_limits<std::int64_t>::max());
    const auto after = fields.number("after", 0, 0, std::numeric_limits<std::int64_t>::max());
    const auto limit = fields.number("limit", 200, 1, most_rows);
    const bool newest = fields.flag("newest");
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    if (newest && (since >= 0 || after > 0)) {
        return core::error(core::error_kind::bad_request, "'newest' can be combined only with 'limit'");
    }
    return question([=](index::database& db) {
        const auto last = index::last_generation(db);
        const auto from = since >= 0 ? since : index::generation_before(db, last);
        std::string rows;
        std::int64_t count = 0, last_id = 0;
        bool more = false;
        auto each = [&](const index::change_row& c) {
            if (count == limit) {
                more = true;
                return false;
            }
            rows += count++ == 0 ? "" : ", ";
            append_change(rows, c);
            last_id = c.id;
            return true;
        };
        if (newest) {
            index::list_newest_changes(db, static_cast<int>(limit), each);
        } else {
            index::list_changes(db, from, after, each);
        }
        // The cursor is a text like those of the other lists, so that nobody counts with it.
        const auto next = more ? "\"" + std::to_string(last_id) + "\"" : "null";
        return core::result<std::string>(
            "{\"generation\": " + std::to_string(last) + ", \"changes\": [" + rows + "], \"next\": " + next +
            "}"
        );
    });
}

core::result<question> ask_leases(const request& r) {
    if (auto good = field_reader::of_query(r).finish(); !good) {
        return good.error();
    }
    return question([](index::database& db) {
        json rows = json::array();
        for (const auto& l : index::active_leases(db, core::now_seconds())) {
            rows.push_back(lease_document(l));
        }
        return core::result<std::string>(dump(json{{"leases", std::move(rows)}}));
    });
}

core::result<question> ask_jobs(const request& r) {
    auto fields = field_reader::of_query(r);
    const auto limit = fields.number("limit", 20, 1, most_rows);
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    return question([limit](index::database& db) {
        json rows = json::array();
        for (const auto& j : index::jobs(db, limit)) {
            rows.push_back(job_document(j));
        }
        return core::result<std::string>(dump(json{{"jobs", std::move(rows)}}));
    });
}

core::result<question> ask_guard(const request& r) {
    if (auto good = field_reader::of_query(r).finish(); !good) {
        return good.error();
    }
    return question([](index::database& db) {
        json rows = json::array();
        for (const auto& h : index::held_containers(db, shown_deletions, tree::local_name)) {
            rows.push_back(held_document(h));
        }
        return core::result<std::string>(dump(json{{"held", std::move(rows)}}));
    });
}

}  // namespace m365stage::api
