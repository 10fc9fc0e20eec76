#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/problems.hpp"

namespace m365stage::config {

enum class node_type { null, boolean, integer, number, text, list, map };

struct member;

/// One YAML value with its type by the core schema of YAML 1.2 and its place in the file.
struct node {
    node() = default;
    node_type type = node_type::null;
    std::string text;  ///< of a scalar: as written, without quotes
    int line = 0;      ///< from 1
    std::vector<node> items;
    std::vector<member> members;

    /// The member's value, or nullptr if there is none or this is no map.
    const node* find(std::string_view key) const;
};

struct member {
    member() = default;
    std::string key;
    int line = 0;  ///< of the key
    node value;
};

/// Reads one YAML document. Syntax errors, duplicate keys, tabs in the indentation, a second document, values
/// that are too long and aliases that expand too far go to `problems`. Returns what could be read; an empty
/// document is a null.
node read_yaml(std::string_view text, problem_list& problems);

/// "its type and, if it is short and harmless, its value" for messages: `is the text "abc"`.
std::string describe_value(const node& value);

}  // namespace m365stage::config
