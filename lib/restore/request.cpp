#include "restore/request.hpp"

#include <algorithm>

#include "core/glob.hpp"
#include "core/hash.hpp"

namespace m365stage::restore {
std::string request::tag(const std::string& tree) const {
    std::string text = tree;
    auto add = [&text](const std::string& part) { text += '\0' + part; };
    for (const auto& pattern : select) {
        add("select " + core::path_pattern(pattern).text());
    }
    add("to " + to);
    add(in_place ? "in place" : "into " + into);
    add("as of " + (as_of ? std::to_string(*as_of) : ""));
    return core::short_tag(text, 16);
}

bool request::selects(const std::string& path) const {
    return select.empty() || std::any_of(select.begin(), select.end(), [&](const std::string& pattern) {
               return !pattern.empty() && core::path_pattern(pattern).selects(path);
           });
}

bool request::may_select_below(const std::string& path) const {
    return select.empty() || std::any_of(select.begin(), select.end(), [&](const std::string& pattern) {
               return !pattern.empty() && core::path_pattern(pattern).may_select_below(path);
           });
}

}  // namespace m365stage::restore
