#include "api/documents.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace m365stage::api {

using nlohmann::json;

namespace {

json text_or_null(const std::string& text) {
    return text.empty() ? json() : json(text);
}

void append_path(std::string& out, const std::optional<std::string>& path) {
    if (path) {
        append_quoted(out, *path);
    } else {
        out += "null";
    }
}

void append_hex(std::string& out, std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    for (const char c : bytes) {
        out += digits[static_cast<unsigned char>(c) >> 4];
        out += digits[static_cast<unsigned char>(c) & 0xF];
    }
}

}  // namespace

std::string dump(const json& document) {
    return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", byte);
            out += code;
        } else {
            out += c;
        }
    }
    out += '"';
}

/// What an item is called for people: a file of a mailbox is a message, an event, ...
std::string_view type_word(std::string_view kind, index::item_type type) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 4> words{
        {{"mail", "message"}, {"calendar", "event"}, {"contacts", "contact"}, {"tasks", "task"}}
    };
    if (type == index::item_type::file) {
        for (const auto& [name, word] : words) {
            if (name == kind) {
                return word;
            }
        }
    }
    return index::to_string(type);
}

void append_item(std::string& out, const index::container& c, const index::listed_item& item) {
    auto quoted = [&out](std::string_view before, std::string_view text) {
        out += before;
        append_quoted(out, text);
    };
    quoted("{\"container\": ", c.key);
    quoted(", \"kind\": ", c.kind);
    quoted(", \"id\": ", item.remote_id);
    quoted(", \"type\": ", type_word(c.kind, item.type));
    quoted(", \"path\": ", item.path);
    quoted(", \"name\": ", item.name);
    out += ", \"size\": " + (item.size ? std::to_string(*item.size) : "null") + ", \"sha256\": ";
    if (item.sha256.empty()) {
        out += "null";
    } else {
        out += '"';
        append_hex(out, item.sha256);
        out += '"';
    }
    quoted(", \"state\": ", item.state);
    out += ", \"error\": ";
    if (item.error.empty()) {
        out += "null";
    } else {
        append_quoted(out, item.error);
    }
    out += '}';
}

void append_change(std::string& out, const index::change_row& c) {
    out += "{\"generation\": " + std::to_string(c.generation) + ", \"what\": ";
    append_quoted(out, index::to_string(c.what));
    out += ", \"type\": ";
    append_quoted(out, index::to_string(c.type));
    out += ", \"old_path\": ";
    append_path(out, c.old_path);
    out += ", \"new_path\": ";
    append_path(out, c.new_path);
    out += '}';
}

json time_document(core::unix_seconds t) {
    return t == 0 ? json() : json(core::format_timestamp(t));
}

json time_document(std::optional<core::unix_seconds> t) {
    return time_document(t.value_or(0));
}

json container_document(const index::container& c) {
    return json{
        {"container", c.key},
        {"kind", c.kind},
        {"state", c.state},
        {"items", c.live_items},
        {"last_round_at", time_document(c.completed_at)},
        {"departed_at", time_document(c.departed_at)},
        {"error_kind", text_or_null(c.error_kind)},
        {"error", text_or_null(c.error_text)},
        {"held", c.held}
    };
}

json failing_document(const index::failing_group& g) {
    json examples = json::array();
    for (const auto& e : g.examples) {
        examples.push_back(json{{"path", e.path}, {"error", e.error}});
    }
    return json{
        {"reason", g.reason},
        {"items", g.items},
        {"oldest", time_document(g.oldest)},
        {"attempts", g.most_attempts},
        {"next_try", time_document(g.next_try)},
        {"examples", std::move(examples)}
    };
}

json lease_document(const index::lease_row& l) {
    return json{
        {"job_id", l.job_id},
        {"holder", l.holder},
        {"since", time_document(l.since)},
        {"until", time_document(l.until)}
    };
}

json job_document(const index::job_row& j) {
    return json{
        {"job_id", j.job_id},
        {"name", j.name},
        {"level", j.level},
        {"generation", j.generation},
        {"started_at", time_document(j.started_at)},
        {"read_at", time_document(j.read_at)},
        {"read_status", text_or_null(j.read_status)},
        {"ended_at", time_document(j.ended_at)},
        {"status", text_or_null(j.status)},
        {"saved", j.saved()}
    };
}

json version_document(const index::version_row& v) {
    return json{
        {"generation", v.generation},
        {"at", time_document(v.at)},
        {"what", index::to_string(v.what)},
        {"old_path", v.old_path ? json(*v.old_path) : json()},
        {"new_path", v.new_path ? json(*v.new_path) : json()},
        {"path", v.path},
        {"job", v.job ? job_document(*v.job) : json()}
    };
}

json held_document(const index::held_container& h) {
    return json{{"container", h.key},     {"held", h.held},
                {"items", h.items},       {"round", h.round},
                {"approved", h.approved}, {"last_round_at", time_document(h.completed_at)},
                {"examples", h.examples}};
}

json error_document(const core::error& e) {
    auto line = e;
    line.hint.clear();
    auto cause = line;
    cause.operation.clear();
    cause.object.clear();
    return json{
        {"kind", core::to_string(e.kind)},
        {"message", core::describe(line)},
        {"cause", core::describe(cause)},
        {"hint", text_or_null(e.hint)}
    };
}

json pass_document(const sync::pass_summary& s) {
    auto seconds = [](std::chrono::nanoseconds t) { return std::chrono::duration<double>(t).count(); };
    return json{
        {"outcome", s.outcome},
        {"exit_code", static_cast<int>(s.exit)},
        {"generation", s.generation},
        {"new_generation", s.new_generation},
        {"containers", s.containers},
        {"items", s.items},
        {"created", s.created},
        {"content", s.content},
        {"metadata", s.metadata},
        {"renamed", s.renamed},
        {"moved", s.moved},
        {"deleted", s.deleted},
        {"owed", s.owed},
        {"held", s.held},
        {"kept_back", s.kept_back},
        {"fetched", s.counters.fetched},
        {"fetched_bytes", s.counters.fetched_bytes},
        {"requests", s.service.requests},
        {"throttled", s.service.throttled},
        {"seconds", s.seconds},
        {"waited_for_service_seconds", seconds(s.service.waited_for_service)},
        {"waited_for_network_seconds", seconds(s.service.waited_for_network)},
        {"disk_seconds", seconds(s.counters.disk_time)},
        {"errors", s.counters.errors},
        {"failure", s.failure ? json(core::describe(*s.failure)) : json()}
    };
}

pass_numbers::pass_numbers(const index::pass_row& p) {
    const auto numbers = json::parse(p.numbers, nullptr, false);
    if (!numbers.is_object()) {
        return;
    }
    auto number = [&numbers](const char* key) -> std::optional<double> {
        const auto found = numbers.find(key);
        return found != numbers.end() && found->is_number() ? std::optional(found->get<double>())
                                                            : std::nullopt;
    };
    auto count = [&number](const char* key) { return static_cast<std::int64_t>(number(key).value_or(0)); };
    items_changed = count("items_changed");
    fetched = count("fetched");
    fetched_bytes = count("fetched_bytes");
    requests = count("requests");
    errors = count("errors");
    seconds = number("seconds");
    shares s;
    s.service = std::max(0.0, number("waited_for_service_seconds").value_or(0));
    s.network = std::max(0.0, number("waited_for_network_seconds").value_or(0));
    s.disk = std::max(0.0, number("disk_seconds").value_or(0));
    const double sum = s.service + s.network + s.disk;
    if (sum > 0) {
        s.service /= sum;
        s.network /= sum;
        s.disk /= sum;
        waited = s;
    }
}

}  // namespace m365stage::api
