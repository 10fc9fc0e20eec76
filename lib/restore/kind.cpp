#include "restore/kind.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "sources/fields.hpp"

#include "restore/record_format.hpp"

namespace m365stage::restore {
namespace {

core::error not_understood(const std::string& text) {
    core::error e(core::error_kind::usage, "no such kind of place");
    e.operation = "--to";
    e.object = text;
    e.hint =
        "write users/NAME@DOMAIN[/FOLDER], groups/NAME[/FOLDER] or sites/HOST/PATH[/libraries/NAME[/FOLDER]]";
    return e;
}

/// The folders that owners have in a tree, one for each kind.
constexpr std::array<std::string_view, 7> container_names{"onedrive", "files", "mail",    "calendar",
                                                          "contacts", "tasks", "settings"};

// What one app may do to one mailbox.
constexpr double requests_per_second = 10'000.0 / 600;
constexpr double bytes_per_second = 150e6 / 300;

}  // namespace

effort& effort::operator+=(const effort& more) {
    requests += more.requests;
    units += more.units;
    bytes += more.bytes;
    rights += more.rights;
    return *this;
}

decision decision::cannot(std::string why) {
    decision d;
    d.action = what::cannot;
    d.why = std::move(why);
    return d;
}

decision decision::left_out(std::string why) {
    decision d;
    d.action = what::skip_quietly;
    d.why = std::move(why);
    return d;
}

graph::scope kind::scope_of(const target& to) const {
    return graph::scope(graph::service::outlook, to.id);
}

const std::vector<std::unique_ptr<kind>>& all_kinds() {
    static const auto all = [] {
        std::vector<std::unique_ptr<kind>> out;
        out.push_back(make_drive_kind());
        out.push_back(make_mail_kind());
        out.push_back(make_calendar_kind());
        out.push_back(make_record_kind("contacts", "Contacts.ReadWrite", contact_format()));
        out.push_back(make_record_kind("tasks", "Tasks.ReadWrite.All", task_format()));
        out.push_back(make_settings_kind());
        return out;
    }();
    return all;
}

const kind* find_kind(std::string_view name) {
    const auto& all = all_kinds();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& one) { return one->name() == name; });
    return found == all.end() ? nullptr : found->get();
}

std::string journal_target(const kind& k, const target& to) {
    return std::string(k.name()) + ":" + to.id;
}

std::pair<const kind*, std::string> parse_journal_target(const std::string& text) {
    const auto colon = std::min(text.find(':'), text.size());
    return {find_kind(text.substr(0, colon)), text.substr(std::min(colon + 1, text.size()))};
}

std::vector<std::string> split_path(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at <= text.size();) {
        const auto slash = std::min(text.find('/', at), text.size());
        if (slash > at) {
            out.push_back(text.substr(at, slash - at));
        }
        at = slash + 1;
    }
    return out;
}

core::result<place> parse_place(const std::string& text) {
    const auto parts = split_path(text);
    if (parts.size() < 2) {
        return not_understood(text);
    }
    place out;
    out.owner = parts[1];
    std::size_t used = 2;
    if (parts[0] == "users" || parts[0] == "groups") {
        out.owner_kind = parts[0] == "users" ? "user" : "group";
    } else if (parts[0] == "sites") {
        out.owner_kind = "site";
        for (; used < parts.size() && parts[used] != "libraries"; ++used) {
            out.owner += "/" + parts[used];
        }
    } else {
        return not_understood(text);
    }
    out.rest.assign(parts.begin() + static_cast<std::ptrdiff_t>(used), parts.end());
    return out;
}

core::result<void> take_container_name(
    place& where, std::string_view own, std::initializer_list<std::string_view> owners
) {
    core::error e(core::error_kind::usage, "");
    e.operation = "--to";
    e.object = where.owner_kind + "s/" + where.owner;
    if (std::find(owners.begin(), owners.end(), where.owner_kind) == owners.end()) {
        e.cause = "a " + where.owner_kind + " has no " + std::string(own) + " that it could go into";
        e.hint = "name another place for it, and select nothing else";
        return e;
    }
    if (where.rest.empty()) {
        return core::result<void>();
    }
    const auto& first = where.rest.front();
    if (first == own) {
        where.rest.erase(where.rest.begin());
    } else if (std::find(container_names.begin(), container_names.end(), first) != container_names.end()) {
        e.object += "/" + first;
        e.cause = std::string(own) + " can't go there";
        e.hint = "--select what belongs there, or name a place without '" + first + "'";
        return e;
    }
    return core::result<void>();
}

bool is_entered(const object& o) {
    return o.folder && o.state != object_state::odd && o.meta.type != "package";
}

std::optional<decision> judge_state(const object& o) {
    if (o.state == object_state::no_sidecar && o.folder) {
        return decision();  // its name on disk has to do; what is in it has sidecars of its own
    }
    if (o.state == object_state::good) {
        return std::nullopt;
    }
    return decision::cannot(is_entered(o) ? o.problem + "; its name on disk has to do" : o.problem);
}

std::optional<decision> judge_as_of(const object& o, const request& asked, bool by_file) {
    if (!asked.as_of || o.folder) {
        return std::nullopt;
    }
    const auto item = nlohmann::json::parse(o.meta.item, nullptr, false);
    const auto created = core::parse_timestamp(sources::text(item, "createdDateTime"));
    auto modified = core::parse_timestamp(sources::text(item, "lastModifiedDateTime"));
    if (!modified && by_file) {
        modified = o.mtime;
    }
    if (created && *created > *asked.as_of) {
        return decision::left_out("made after --as-of");
    }
    if (modified && *modified > *asked.as_of) {
        return decision::cannot(
            "changed after --as-of, on " + core::format_timestamp(*modified) +
            ": the tree holds only the later version; restore the backup of an earlier day"
        );
    }
    return std::nullopt;
}

task<core::result<std::map<std::string, std::string>>>
kind::judge_parts(context&, const target&, std::vector<std::string>) const {
    std::map<std::string, std::string> none;
    co_return none;
}

bool ends_all(const core::error& e) {
    using core::error_kind;
    return e.kind == error_kind::insufficient || e.kind == error_kind::auth_refused ||
           e.kind == error_kind::unauthorized || e.kind == error_kind::cancelled;
}

bool ends_restore(const core::error& e) {
    const bool here = e.kind == core::error_kind::insufficient;  // other targets may have room
    return (ends_all(e) && !here) || core::exit_code_for(e.kind) == core::exit_code::local;
}

std::string reason_of(const core::error& why) {
    auto told = why;
    told.object.clear();
    return core::describe(told);
}

std::string reason_at(const std::string& path, const core::error& why) {
    return why.object == path ? reason_of(why) : core::describe(why);
}

task<void> note(context& with, std::string path, entry e, outcome state, std::string why) {
    e.state = state;
    e.detail = std::move(why);
    with.count.failed += state == outcome::failed ? 1 : 0;
    co_await with.log.put(std::move(path), std::move(e));
}

task<core::result<void>> note_failure(context& with, std::string path, entry e, core::error why) {
    const bool all = ends_all(why);
    const bool keep =
        core::is_transient(why.kind) && (e.state == outcome::intended || e.state == outcome::open);
    if (!keep) {
        e.session.clear();
        e.state = outcome::failed;
    }
    ++with.count.failed;
    e.detail = reason_of(why);
    co_await with.log.put(std::move(path), std::move(e));
    if (all) {
        co_return why;
    }
    stop_if_away(with, why);
    co_return core::result<void>();
}

bool outage_watch::is_away(const core::error& why, std::uint64_t answered, time_point now) {
    if (core::exit_code_for(why.kind) != core::exit_code::unreachable) {
        return false;
    }
    if (failures_ == 0 || answered != answered_) {
        failures_ = 0;
        answered_ = answered;
        since_ = now;
    }
    return ++failures_ >= most_failures && now - since_ >= longest;
}

void stop_if_away(context& with, const core::error& why) {
    const auto now = std::chrono::steady_clock::now();
    if (!with.outage.is_away(why, with.graph.stats().answered, now)) {
        return;
    }
    core::error e(why.kind, "Microsoft 365 does not answer any more, whatever is tried: " + reason_of(why));
    e.hint = "nothing is lost: the same command goes on where it was";
    throw core::fatal(std::move(e));
}

std::string sidecar_part(const std::string& path) {
    return path + "\nsidecar";
}

task<bool> reopen_parts(context& with, std::string path) {
    auto parts = co_await with.log.below(path + "\n");
    const bool again = std::any_of(parts.begin(), parts.end(), [](const auto& part) {
        const auto& e = part.second;
        return e.state == outcome::open || (e.state == outcome::failed && e.hash != never_again);
    });
    for (auto& [part, e] : parts) {
        const bool failed = e.state == outcome::failed;
        if (failed && again) {
            e.state = outcome::open;
        }
        with.count.failed += e.state == outcome::failed ? 1 : 0;
        co_await with.log.put(part, std::move(e));
    }
    co_return again;
}

task<void> close_parts(context& with, std::string path) {
    auto parts = co_await with.log.below(path + "\n");
    for (auto& [part, e] : parts) {
        if (e.state == outcome::open) {
            e.state = outcome::done;
            e.detail.clear();
            co_await with.log.put(part, std::move(e));
        }
    }
}

task<std::uint64_t> note_gone(context& with, std::string path, entry e, bool last) {
    return note_open(
        with, std::move(path), std::move(e), "it was put there, but it is not there any more", last
    );
}

task<std::uint64_t> note_open(context& with, std::string path, entry e, std::string why, bool last) {
    e.state = last ? outcome::failed : outcome::open;
    e.detail = std::move(why);
    e.id.clear();
    with.count.failed += last ? 1 : 0;
    co_await with.log.put(std::move(path), std::move(e));
    co_return last ? 0 : 1;
}

double mailbox_seconds(const effort& all) {
    return std::max(
        static_cast<double>(all.requests) / requests_per_second,
        static_cast<double>(all.bytes) / bytes_per_second
    );
}

bool has_any(const std::vector<std::string>& roles, std::initializer_list<std::string_view> wanted) {
    return std::any_of(wanted.begin(), wanted.end(), [&](std::string_view w) {
        return std::find(roles.begin(), roles.end(), w) != roles.end();
    });
}

std::string folded(std::string_view name) {
    return core::lowered(name);
}

std::string restored_name(const std::string& name, int number) {
    const auto dot = name.rfind('.');
    const auto stem = name.substr(0, dot == 0 ? std::string::npos : dot);
    const auto tag = number == 1 ? std::string(" (restored)") : " (restored " + std::to_string(number) + ")";
    return stem + tag + name.substr(stem.size());
}

}  // namespace m365stage::restore
