#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace m365stage::graph {

class flat_value;

/// The values of a JSON text in a row: two allocations for a whole page, where a tree of values takes dozens
/// for each item. For the pages of drives, which come by the million.
class flat_json {
public:
    /// What nlohmann::json parses, up to `deepest_json` levels; nullopt otherwise, and from 4 GiB on.
    static std::optional<flat_json> parse(std::string_view text);

    /// Views are good for as long as this object is neither moved nor destroyed.
    flat_value root() const;

private:
    friend class flat_value;
    friend class flat_writer;

    enum class kind : std::uint8_t { null, truth, untruth, integer, real, string, array, object };
    struct node {
        std::uint32_t at = 0;  ///< in `text_`: a number's digits, or a string
        std::uint32_t size = 0;
        std::uint32_t after = 0;  ///< the node behind this value and all that is in it
        kind what = kind::null;
    };

    std::string_view text_of(const node& n) const { return std::string_view(text_).substr(n.at, n.size); }

    std::string text_;
    std::vector<node> nodes_;  ///< in the order of the text; a member's name is a string before its value
};

/// One value of a flat_json, or none. Every question may be put to every value: what does not fit is none,
/// or empty.
class flat_value {
public:
    flat_value() = default;

    explicit operator bool() const { return of_ != nullptr; }
    bool is_object() const { return is(flat_json::kind::object); }
    bool is_array() const { return is(flat_json::kind::array); }
    bool is_string() const { return is(flat_json::kind::string); }
    bool is_true() const { return is(flat_json::kind::truth); }

    /// A member of an object, the last of that name; none for one that is missing or null.
    flat_value member(std::string_view name) const;
    bool has(std::string_view name) const;        ///< a member of that name, be it null
    std::string_view text() const;                ///< of a string; empty for anything else
    std::optional<std::int64_t> integer() const;  ///< a number without fraction that fits
    std::vector<flat_value> elements() const;     ///< of an array; empty for anything else

    /// Appends it as nlohmann::json dumps it: compact, names sorted, each once (the last value counts).
    void write_canonical(std::string& out) const;

private:
    friend class flat_json;
    flat_value(const flat_json& of, std::uint32_t at) : of_(&of), at_(at) {}

    const flat_json::node& node() const { return of_->nodes_[at_]; }
    bool is(flat_json::kind what) const { return of_ != nullptr && node().what == what; }
    flat_value find(std::string_view name) const;
    void write_object(std::string& out) const;

    const flat_json* of_ = nullptr;
    std::uint32_t at_ = 0;
};

/// Appends a JSON string with the escapes that JSON needs, and no others.
void write_json_string(std::string& out, std::string_view text);

}  // namespace m365stage::graph
