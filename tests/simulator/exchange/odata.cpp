#include "odata.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "exchange.hpp"
#include "ids.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

/// The text in quotes, or the word, behind `key`.
std::string value_behind(const std::string& text, std::string_view key) {
    auto at = lower(text).find(key);
    if (at == text.npos) {
        return "";
    }
    at = text.find_first_not_of(" =\"", at + key.size());
    auto end = text.find_first_of("\",;", at == text.npos ? text.size() : at);
    return at == text.npos ? "" : text.substr(at, end == text.npos ? end : end - at);
}

std::int64_t number_in(const std::string& text, std::int64_t otherwise) {
    std::from_chars(text.data(), text.data() + text.size(), otherwise);
    return otherwise;
}

}  // namespace

preferences preferences_of(const request& r) {
    std::string text = r.header("prefer");
    preferences p;
    p.immutable = iequals(value_behind(text, "idtype"), "ImmutableId");
    p.page = std::max<std::int64_t>(0, number_in(value_behind(text, "odata.maxpagesize"), 0));
    p.text_body = iequals(value_behind(text, "outlook.body-content-type"), "text");
    p.time_zone = value_behind(text, "outlook.timezone");
    return p;
}

void tell_preferences(const preferences& p, bool paged, response& out) {
    std::string text;
    auto add = [&](const std::string& one) { text += (text.empty() ? "" : ", ") + one; };
    if (p.immutable) {
        add("IdType=\"ImmutableId\"");
    }
    if (paged && p.page > 0) {
        add("odata.maxpagesize=" + std::to_string(p.page));
    }
    if (p.text_body) {
        add("outlook.body-content-type=\"text\"");
    }
    if (!p.time_zone.empty()) {
        add("outlook.timezone=\"" + p.time_zone + "\"");
    }
    if (!text.empty()) {
        out.set("Preference-Applied", text);
    }
}

std::vector<std::string> normal_segments(const std::string& path) {
    std::vector<std::string> out;
    for (const auto& raw : split(path, '/')) {
        std::string s = url_decode(raw);
        if (s.empty()) {
            continue;
        }
        auto open = s.find("('");
        if (open != s.npos && s.ends_with("')")) {
            out.push_back(s.substr(0, open));
            s = s.substr(open + 2, s.size() - open - 4);
        } else if (s.starts_with("microsoft.graph.") && s.find('/') == s.npos) {
            s.erase(0, 16);
        }
        if (s.ends_with("()")) {
            s.resize(s.size() - 2);
        }
        out.push_back(std::move(s));
    }
    return out;
}

response not_found_in_store() {
    return graph_error(404, "ErrorItemNotFound", "The specified object was not found in the store.");
}

response malformed_id() {
    return graph_error(400, "ErrorInvalidIdMalformed", "Id is malformed.");
}

response unknown_segment(const std::string& segment) {
    return graph_error(400, "BadRequest", "Resource not found for the segment '" + segment + "'.");
}

response unknown_property(const std::string& name, const char* type) {
    return graph_error(
        400, "RequestBroker--ParseUri",
        "Could not find a property named '" + name + "' on type 'microsoft.graph." + type + "'."
    );
}

response no_such_item(std::string_view id) {
    return is_id(id) ? not_found_in_store() : malformed_id();
}

response bad_request(std::string_view message) {
    return graph_error(400, "ErrorInvalidRequest", message);
}

response internal_error() {
    return graph_error(
        500, "ErrorInternalServerError", "An internal server error occurred. The operation failed."
    );
}

std::optional<std::vector<std::string>> selected(const request& r) {
    std::string text = r.parameter("$select");
    if (text.empty()) {
        return std::nullopt;
    }
    auto names = split(text, ',');
    for (auto& n : names) {
        n.erase(0, std::min(n.find_first_not_of(' '), n.size()));
        n.erase(n.find_last_not_of(' ') + 1);
    }
    return names;
}

void keep_selected(json& j, const std::optional<std::vector<std::string>>& names) {
    if (!names) {
        return;
    }
    for (auto it = j.begin(); it != j.end();) {
        bool keep = it.key() == "id" || it.key().starts_with("@") ||
                    std::any_of(names->begin(), names->end(), [&](const std::string& n) {
                        return iequals(n, it.key());
                    });
        it = keep ? std::next(it) : j.erase(it);
    }
}

bool is_light(const std::optional<std::vector<std::string>>& names) {
    constexpr std::array<std::string_view, 5> light{
        "id", "changeKey", "createdDateTime", "lastModifiedDateTime", "parentFolderId"
    };
    return names && std::all_of(names->begin(), names->end(), [&](const std::string& n) {
               return std::any_of(light.begin(), light.end(), [&](auto l) { return iequals(n, l); });
           });
}

page_request page_of(const request& r, const preferences& p, std::size_t otherwise, std::size_t most) {
    page_request out;
    std::int64_t preferred = p.page > 0 ? p.page : static_cast<std::int64_t>(otherwise);
    std::int64_t top = number_in(r.parameter("$top"), preferred);
    out.top = static_cast<std::size_t>(std::clamp<std::int64_t>(top, 1, static_cast<std::int64_t>(most)));
    out.skip = static_cast<std::size_t>(std::max<std::int64_t>(0, number_in(r.parameter("$skip"), 0)));
    return out;
}

std::string next_link(const request& r, std::size_t skip) {
    std::string query;
    for (const auto& [name, value] : r.parameters) {
        if (!iequals(name, "$skip")) {
            query += url_encode(name, "$") + "=" + url_encode(value, ",*()'/:") + "&";
        }
    }
    return address_of(r) + "?" + query + "$skip=" + std::to_string(skip);
}

std::string address_of(const request& r) {
    return r.origin() + r.path;
}

bool read_message_fields(const request& r, message_fields& fields, response& out) {
    const auto names = selected(r);
    if (!names) {
        return true;
    }
    std::string unknown;
    const auto wanted = message_fields_of(*names, unknown);
    if (!wanted) {
        out = unknown_property(unknown, "message");
        return false;
    }
    fields = *wanted;
    return true;
}

bool is_refused(trouble wrong, response& out) {
    switch (wrong) {
        case trouble::corrupt:
            out = graph_error(500, "ErrorCorruptData", "Data is corrupt.,Invalid global object ID: some ID");
            return true;
        case trouble::invalid_recipients:
            out = graph_error(400, "ErrorInvalidRecipients", "At least one recipient is not valid.");
            return true;
        case trouble::unserialisable:
            out = internal_error();
            return true;
        default:
            return false;
    }
}

}  // namespace m365stage::sim
