#include <nlohmann/json.hpp>

#include "api/documents.hpp"
#include "api/questions.hpp"
#include "core/hash.hpp"
#include "http/http.hpp"
#include "tree/names.hpp"

namespace m365stage::api {
namespace {

using nlohmann::json;

constexpr std::int64_t most_items = 1000;
// Looked at for one answer: about a tenth of a second.
constexpr std::int64_t most_looked_at = 20'000;
constexpr std::size_t longest_cursor = 16u << 10, most_steps = 500;

std::optional<std::string> text_of(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        const auto byte = http::percent_decode("%" + std::string(hex.substr(i, 2)));
        if (!byte) {
            return std::nullopt;
        }
        out += *byte;
    }
    return out;
}

/// A cursor is opaque to clients: hexadecimal, so that it needs no escapes in an address.
std::string write_cursor(const index::walk_position& p) {
    json steps = json::array();
    for (const auto& s : p.steps) {
        steps.push_back(json::array({s.folder, s.coming, s.name, s.id, s.gone, s.held}));
    }
    return core::to_hex(dump(json::array({p.container, std::move(steps)})));
}

std::optional<index::walk_position> read_cursor(const std::string& text) {
    const auto decoded = text_of(text);
    const auto document = json::parse(decoded.value_or(""), nullptr, false);
    if (!document.is_array() || document.size() != 2 || !document[0].is_string() || !document[1].is_array() ||
        document[1].size() > most_steps) {
        return std::nullopt;
    }
    index::walk_position out;
    out.container = document[0].get<std::string>();
    for (const auto& s : document[1]) {
        if (!s.is_array() || s.size() != 6 || !s[0].is_number_integer() || !s[1].is_boolean() ||
            !s[2].is_string() || !s[3].is_number_integer() || !s[4].is_boolean() || !s[5].is_boolean()) {
            return std::nullopt;
        }
        index::walk_position::step step;
        step.folder = s[0].get<std::int64_t>();
        step.coming = s[1].get<bool>();
        step.name = s[2].get<std::string>();
        step.id = s[3].get<std::int64_t>();
        step.gone = s[4].get<bool>();
        step.held = s[5].get<bool>();
        out.steps.push_back(std::move(step));
    }
    return out;
}

std::string items_page(
    index::database& db, const std::string& pattern, const std::optional<index::walk_position>& from,
    std::int64_t limit
) {
    std::string rows;
    std::int64_t count = 0;
    auto each = [&](const index::container& c, const index::listed_item& i) {
        rows += count == 0 ? "" : ", ";
        append_item(rows, c, i);
        return ++count < limit;
    };
    const auto next =
        index::list_items_piece(db, pattern, tree::local_name, from ? &*from : nullptr, most_looked_at, each);
    return "{\"items\": [" + rows + "], \"next\": " + (next ? "\"" + write_cursor(*next) + "\"" : "null") +
           "}";
}

}  // namespace

core::result<question> ask_items(const request& r) {
    auto fields = field_reader::of_query(r);
    const auto pattern = fields.text("pattern");
    const auto after = fields.text("after", longest_cursor);
    const auto limit = fields.number("limit", 200, 1, most_items);
    if (auto good = fields.finish(); !good) {
        return good.error();
    }
    std::optional<index::walk_position> from;
    if (!after.empty()) {
        from = read_cursor(after);
        if (!from) {
            core::error e(core::error_kind::bad_request, "'after' is not a cursor that came as 'next'");
            return e;
        }
    }
    return question([=](index::database& db) {
        return core::result<std::string>(items_page(db, pattern, from, limit));
    });
}

}  // namespace m365stage::api
