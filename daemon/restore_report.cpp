#include "daemon/restore_report.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/progress.hpp"

namespace m365stage::daemon {
namespace {

using nlohmann::json;

std::string n(std::uint64_t value) {
    return progress::count(value);
}

/// The word of reports for many: "files"; some words are many already ("settings").
std::string many(const std::string& word) {
    if (word == "part of a task") {
        return "parts of tasks";
    }
    if (word == "setting") {
        return "single settings";  // "settings" are those of a mailbox, all together
    }
    return word.ends_with('s') ? word : word + "s";
}

/// An object's path, and what of the object is meant if it is a part.
std::string named(const std::string& path, const restore::entry& e) {
    const auto end = std::min(path.find('\n'), path.size());
    auto out = end == 0 ? "(a part of a tree)" : path.substr(0, end);
    const auto part = end == path.size() ? std::string() : path.substr(end + 1);
    if (part.empty() || part == "sidecar" || e.kind == "permission" || e.kind == "columns") {
        return out;
    }
    const bool tells = e.kind == "setting" || e.kind == part || e.kind == "part of a task";
    return out + ": " + (tells ? part : e.kind + " " + part);
}

std::string where_to(const restore::plan_part& part) {
    std::string out = part.to.label;
    for (const auto& name : part.to.below) {
        out += "/" + name;
    }
    return out;
}

json json_of(const restore::plan& p) {
    json parts = json::array();
    for (const auto& part : p.parts) {
        json kinds = json::object();
        for (const auto& [name, word] : part.words) {
            kinds[name] = {{"objects", word.objects}, {"bytes", word.bytes}};
        }
        json lost = json::array();
        for (const auto& one : part.lost) {
            lost.push_back({{"objects", one.objects}, {"reason", one.why}});
        }
        parts.push_back(
            {{"container", part.from.path},
             {"kind", part.from.kind},
             {"to", where_to(part)},
             {"kinds", std::move(kinds)},
             {"permissions", part.costs.rights},
             {"room", part.to.room ? json(*part.to.room) : json()},
             {"obstacle", part.obstacle.empty() ? json() : json(part.obstacle)},
             {"lost", std::move(lost)},
             {"notes", part.notes}}
        );
    }
    json cannot = json::array();
    for (const auto& one : p.cannot) {
        cannot.push_back({{"path", one.path}, {"reason", one.why}});
    }
    return {
        {"objects", p.objects()},
        {"bytes", p.costs.bytes},
        {"requests", p.costs.requests},
        {"resource_units", p.costs.units},
        {"seconds_at_least", p.seconds},
        {"parts", std::move(parts)},
        {"cannot_count", p.cannot_count},
        {"cannot", std::move(cannot)},
        {"left_out", p.quiet},
        {"notes", p.notes}
    };
}

void print_part(const restore::plan_part& part) {
    std::printf("%s\n", part.from.path.empty() ? "(a part of a tree)" : part.from.path.c_str());
    if (!part.to.label.empty()) {
        std::printf("  into %s\n", where_to(part).c_str());
    }
    for (const auto& [name, word] : part.words) {
        if (word.objects > 0) {
            const auto size = word.bytes > 0 ? ", " + progress::bytes(word.bytes) : std::string();
            const auto& what = word.objects == 1 ? name : many(name);
            std::printf("  %s %s%s\n", n(word.objects).c_str(), what.c_str(), size.c_str());
        }
    }
    if (part.costs.rights > 0) {
        std::printf("  %s permissions\n", n(part.costs.rights).c_str());
    }
    for (const auto& one : part.lost) {
        std::printf("  stays behind: of %s objects %s\n", n(one.objects).c_str(), one.why.c_str());
    }
    for (const auto& note : part.notes) {
        std::printf("  note: %s\n", note.c_str());
    }
    if (!part.obstacle.empty()) {
        std::printf("  CAN'T BE PUT BACK: %s\n", part.obstacle.c_str());
    }
}

void print_cannot(const restore::plan& p) {
    constexpr std::size_t shown = 20;
    if (p.cannot_count > 0) {
        std::printf("%s objects can't be put back:\n", n(p.cannot_count).c_str());
    }
    for (std::size_t i = 0; i < std::min(shown, p.cannot.size()); ++i) {
        std::printf("  %s: %s\n", p.cannot[i].path.c_str(), p.cannot[i].why.c_str());
    }
    if (p.cannot_count > shown) {
        std::printf("  ... (--json lists up to %zu)\n", restore::plan::most_listed);
    }
}

const char* word_of(restore::outcome o) {
    switch (o) {
        case restore::outcome::skipped:
            return "skipped";
        case restore::outcome::failed:
            return "failed";
        default:
            return "open";
    }
}

json json_of(const restore_outcome& o) {
    json kinds = json::object();
    for (const auto& [name, t] : o.kinds) {
        kinds[name] = {
            {"done", t.done},
            {"present", t.present},
            {"skipped", t.skipped},
            {"failed", t.failed},
            {"open", t.open}
        };
    }
    json left = json::array();
    for (const auto& [path, e] : o.left) {
        left.push_back({{"path", path}, {"kind", e.kind}, {"state", word_of(e.state)}, {"reason", e.detail}});
    }
    json out{
        {"exit", static_cast<int>(o.exit())},
        {"kinds", std::move(kinds)},
        {"left_count", o.left_count},
        {"left", std::move(left)},
        {"bytes", o.bytes},
        {"seconds", o.seconds},
        {"requests", o.service.requests},
        {"throttled", o.service.throttled}
    };
    if (o.failure) {
        out["failure"] = core::describe(*o.failure);
    }
    return out;
}

}  // namespace

void print_plan(const restore::plan& p, bool json) {
    if (json) {
        const nlohmann::json out{{"plan", json_of(p)}};
        std::printf("%s\n", out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
        return;
    }
    for (const auto& part : p.parts) {
        print_part(part);
    }
    print_cannot(p);
    for (const auto& [why, count] : p.quiet) {
        std::printf("%s objects are left out: %s\n", n(count).c_str(), why.c_str());
    }
    for (const auto& note : p.notes) {
        std::printf("note: %s\n", note.c_str());
    }
    std::printf(
        "in all %s object%s, %s, about %s requests (%s resource units): %s at least, within Microsoft's "
        "limits\n",
        n(p.objects()).c_str(), p.objects() == 1 ? "" : "s", progress::bytes(p.costs.bytes).c_str(),
        n(p.costs.requests).c_str(), n(p.costs.units).c_str(), progress::duration(p.seconds).c_str()
    );
    std::fflush(stdout);
}

core::exit_code restore_outcome::exit() const {
    if (failure) {
        return core::exit_code_for(failure->kind);
    }
    if (forbidden) {
        return core::exit_code::auth;
    }
    return left_count > 0 ? core::exit_code::some_failed : core::exit_code::done;
}

void print_outcome(const restore_outcome& o, bool json) {
    if (json) {
        std::printf(
            "%s\n", json_of(o).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str()
        );
        return;
    }
    constexpr std::size_t shown = 100;
    for (std::size_t i = 0; i < std::min(shown, o.left.size()); ++i) {
        const auto& [path, e] = o.left[i];
        std::printf("%s: %s: %s\n", word_of(e.state), named(path, e).c_str(), e.detail.c_str());
    }
    if (o.left_count > shown) {
        std::printf(
            "... and %s more (--json lists %zu)\n", n(o.left_count - shown).c_str(),
            restore_outcome::most_listed
        );
    }
    for (const auto& [name, t] : o.kinds) {
        std::printf(
            "%-12s %s put back, %s were there, %s skipped, %s failed%s\n", (many(name) + ":").c_str(),
            n(t.done).c_str(), n(t.present).c_str(), n(t.skipped).c_str(), n(t.failed).c_str(),
            t.open > 0 ? (", " + n(t.open) + " open").c_str() : ""
        );
    }
    const auto verdict =
        o.failure          ? "ended early"
        : o.forbidden      ? "nothing could be put back: permissions are missing, see above"
        : o.left_count > 0 ? "something is missing: see above; running it again tries that again"
        : o.goes_on ? "everything that was selected is back: what this run put there was read back and "
                      "compared, what an earlier run put there is still there"
                    : "everything that was selected is back; what this run put there was read "
                      "back and compared";
    std::printf(
        "%s; %s sent in %s, %s requests\n", verdict, progress::bytes(o.bytes).c_str(),
        progress::duration(o.seconds).c_str(), n(o.service.requests).c_str()
    );
}

}  // namespace m365stage::daemon
