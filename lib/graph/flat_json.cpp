#include "graph/flat_json.hpp"

#include <limits>
#include <nlohmann/json.hpp>

#include "graph/json_text.hpp"

namespace m365stage::graph {

/// Takes what nlohmann::json's parser tells of a text, from front to end.
class flat_writer {
public:
    explicit flat_writer(flat_json& to) : to_(to) {}

    bool null() { return add(kind::null, {}); }
    bool boolean(bool value) { return add(value ? kind::truth : kind::untruth, {}); }
    bool number_integer(std::int64_t value) { return add(kind::integer, std::to_string(value)); }
    bool number_unsigned(std::uint64_t value) { return add(kind::integer, std::to_string(value)); }
    bool number_float(double, const std::string& digits) { return add(kind::real, digits); }
    bool string(const std::string& text) { return add(kind::string, text); }
    bool key(const std::string& name) { return add(kind::string, name); }
    bool binary(const nlohmann::json::binary_t&) { return false; }  // JSON has none

    bool start_object(std::size_t) { return begin(kind::object); }
    bool start_array(std::size_t) { return begin(kind::array); }
    bool end_object() { return end(); }
    bool end_array() { return end(); }

    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) { return false; }

private:
    using kind = flat_json::kind;

    bool add(kind what, std::string_view text) {
        flat_json::node n;
        n.what = what;
        n.at = static_cast<std::uint32_t>(to_.text_.size());
        n.size = static_cast<std::uint32_t>(text.size());
        n.after = static_cast<std::uint32_t>(to_.nodes_.size() + 1);
        to_.text_ += text;
        to_.nodes_.push_back(n);
        return true;
    }

    bool begin(kind what) {
        open_.push_back(to_.nodes_.size());
        return open_.size() <= deepest_json && add(what, {});
    }

    bool end() {
        to_.nodes_[open_.back()].after = static_cast<std::uint32_t>(to_.nodes_.size());
        open_.pop_back();
        return true;
    }

    flat_json& to_;
    std::vector<std::size_t> open_;  ///< nodes of the arrays and objects that are not at their end
};

std::optional<flat_json> flat_json::parse(std::string_view text) {
    if (text.size() >= std::numeric_limits<std::uint32_t>::max()) {
        return std::nullopt;
    }
    flat_json out;
    out.text_.reserve(text.size());
    constexpr std::size_t bytes_a_value = 12;
    out.nodes_.reserve(text.size() / bytes_a_value + 1);
    flat_writer writer(out);
    if (!nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &writer)) {
        return std::nullopt;
    }
    return out;
}

}  // namespace m365stage::graph
