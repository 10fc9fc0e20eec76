#include "graph/json.hpp"

#include <nlohmann/json.hpp>

#include "core/utf8.hpp"
#include "graph/json_text.hpp"

namespace m365stage::graph {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// Copies one escape at `at` and returns its length.
std::size_t mend_escape(std::string_view text, std::size_t at, std::string& out) {
    auto unit = unicode_escape(text, at);
    if (!unit) {
        // Any other escape goes as a pair, so that an escaped quote does not end the string.
        std::size_t length = at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0x80 ? 2 : 1;
        out.append(text.substr(at, length));
        return length;
    }
    if (is_high(*unit)) {
        auto next = unicode_escape(text, at + 6);
        if (next && is_low(*next)) {
            out.append(text.substr(at, 12));
            return 12;
        }
    }
    if (is_high(*unit) || is_low(*unit)) {
        out += "\\ufffd";
    } else {
        out.append(text.substr(at, 6));
    }
    return 6;
}

void escape_control(unsigned char byte, std::string& out) {
    constexpr std::string_view hex = "0123456789abcdef";
    out += "\\u00";
    out += hex[byte >> 4];
    out += hex[byte & 15];
}

// Brackets outside of strings; a bound before parsing, since destroying a deep value recurses.
bool is_too_deep(std::string_view body) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < body.size(); ++i) {
        char c = body[i];
        if (in_string) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > deepest_json) {
                return true;
            }
        } else if (c == '}' || c == ']') {
            --depth;
        }
    }
    return false;
}

}  // namespace

parsed_object::parsed_object() = default;
parsed_object::parsed_object(parsed_object&&) noexcept = default;
parsed_object& parsed_object::operator=(parsed_object&&) noexcept = default;
parsed_object::~parsed_object() = default;

std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        std::size_t length = core::character_length(text, at);
        out.append(length == 0 ? replacement : text.substr(at, length));
        at += length == 0 ? 1 : length;
    }
    return out;
}

std::string mend_json(std::string_view body) {
    std::string out;
    out.reserve(body.size() + 64);
    bool in_string = false;
    for (std::size_t at = 0; at < body.size();) {
        char c = body[at];
        auto byte = static_cast<unsigned char>(c);
        if (in_string && c == '\\') {
            at += mend_escape(body, at, out);
            continue;
        }
        if (c == '"') {
            in_string = !in_string;
        }
        if (in_string && byte < 0x20) {
            escape_control(byte, out);
            ++at;
            continue;
        }
        std::size_t length = core::character_length(body, at);
        out.append(length == 0 ? replacement : body.substr(at, length));
        at += length == 0 ? 1 : length;
    }
    return out;
}

std::string_view nature_of(std::string_view body) {
    auto at = body.find_first_not_of(" \t\r\n");
    if (at == std::string_view::npos) {
        return "nothing";
    }
    std::string_view start = body.substr(at, 16);
    if (start.starts_with("\xEF\xBB\xBF")) {
        start.remove_prefix(3);
    }
    if (start.starts_with("<?xml")) {
        return "XML";
    }
    if (start.starts_with('<')) {
        return "HTML";
    }
    if (start.starts_with('[')) {
        return "a JSON array";
    }
    if (start.starts_with('{')) {
        return "broken JSON";
    }
    if (start.starts_with('"')) {
        return "a JSON string";
    }
    for (char c : start) {
        auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 && c != '\t' && c != '\r' && c != '\n') {
            return "binary data";
        }
    }
    return "text";
}

core::result<parsed_object> parse_object(std::string_view body) {
    using nlohmann::json;
    core::error bad(core::error_kind::protocol, "");
    if (is_too_deep(body)) {
        bad.cause = "the answer's JSON is nested deeper than " + std::to_string(deepest_json) + " levels";
        return bad;
    }
    parsed_object out;
    json value = json::parse(body, nullptr, false);
    if (value.is_discarded() && body.find_first_of("{[") != std::string_view::npos) {
        std::string mended = mend_json(body);
        // Mending may move where strings end, so the bound is checked once more.
        if (mended != body && !is_too_deep(mended)) {
            value = json::parse(mended, nullptr, false);
            out.repaired = !value.is_discarded();
        }
    }
    if (!value.is_object()) {
        bad.cause = "the answer is " + std::string(nature_of(body)) + " instead of a JSON object";
        return bad;
    }
    out.value = std::make_unique<json>(std::move(value));
    return out;
}

}  // namespace m365stage::graph
