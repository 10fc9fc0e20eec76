#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "graph/flat_json.hpp"

namespace m365stage::graph {

flat_value flat_json::root() const {
    return nodes_.empty() ? flat_value() : flat_value(*this, 0);
}

flat_value flat_value::find(std::string_view name) const {
    flat_value found;
    if (!is_object()) {
        return found;
    }
    const auto& nodes = of_->nodes_;
    for (auto key = at_ + 1; key < node().after; key = nodes[key + 1].after) {
        if (of_->text_of(nodes[key]) == name) {
            found = flat_value(*of_, key + 1);
        }
    }
    return found;
}

flat_value flat_value::member(std::string_view name) const {
    const auto found = find(name);
    return found.is(flat_json::kind::null) ? flat_value() : found;
}

bool flat_value::has(std::string_view name) const {
    return static_cast<bool>(find(name));
}

std::string_view flat_value::text() const {
    return is_string() ? of_->text_of(node()) : std::string_view();
}

std::optional<std::int64_t> flat_value::integer() const {
    if (!is(flat_json::kind::integer)) {
        return std::nullopt;
    }
    const auto digits = of_->text_of(node());
    std::int64_t out = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return ec == std::errc{} ? std::optional(out) : std::nullopt;
}

std::vector<flat_value> flat_value::elements() const {
    std::vector<flat_value> out;
    if (is_array()) {
        for (auto at = at_ + 1; at < node().after; at = of_->nodes_[at].after) {
            out.push_back(flat_value(*of_, at));
        }
    }
    return out;
}

void flat_value::write_canonical(std::string& out) const {
    using kind = flat_json::kind;
    const auto& n = node();
    switch (n.what) {
        case kind::object:
            write_object(out);
            return;
        case kind::array: {
            out += '[';
            const char* separator = "";
            for (const auto& element : elements()) {
                out += separator;
                element.write_canonical(out);
                separator = ",";
            }
            out += ']';
            return;
        }
        case kind::string:
            write_json_string(out, of_->text_of(n));
            return;
        case kind::null:
            out += "null";
            return;
        case kind::truth:
            out += "true";
            return;
        case kind::untruth:
            out += "false";
            return;
        case kind::integer:
            out += of_->text_of(n);
            return;
        case kind::real:
            out += nlohmann::json::parse(of_->text_of(n)).dump();
    }
}

void flat_value::write_object(std::string& out) const {
    const auto& nodes = of_->nodes_;
    std::vector<std::uint32_t> keys;
    for (auto key = at_ + 1; key < node().after; key = nodes[key + 1].after) {
        keys.push_back(key);
    }
    const auto name = [&](std::uint32_t key) { return of_->text_of(nodes[key]); };
    std::sort(keys.begin(), keys.end(), [&](auto a, auto b) {
        const auto order = name(a).compare(name(b));
        return order < 0 || (order == 0 && a < b);
    });
    out += '{';
    const char* separator = "";
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (i + 1 < keys.size() && name(keys[i]) == name(keys[i + 1])) {
            continue;
        }
        out += separator;
        separator = ",";
        flat_value(*of_, keys[i]).write_canonical(out);
        out += ':';
        flat_value(*of_, keys[i] + 1).write_canonical(out);
    }
    out += '}';
}

void write_json_string(std::string& out, std::string_view text) {
    const auto is_special = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
    };
    if (std::none_of(text.begin(), text.end(), is_special)) {
        out.append(1, '"').append(text).append(1, '"');
    } else {
        out += nlohmann::json(text).dump();
    }
}

}  // namespace m365stage::graph
