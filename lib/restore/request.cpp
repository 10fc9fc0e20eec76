#include "restore/request.hpp"

#include <algorithm>

#include "core/glob.hpp"
#include "core/hash.hpp"

namespace m365stage::restore {
namespace {

/// A pattern as it is compared: "mail/Inbox/", as shells complete it, means the folder.
std::string folder_of(std::string pattern) {
    while (pattern.size() > 1 && pattern.ends_with('/')) {
        pattern.pop_back();
    }
    return pattern;
}

}  // namespace

std::string request::tag(const std::string& tree) const {
    std::string text = tree;
    auto add = [&text](const std::string& part) { text += '\0' + part; };
    for (const auto& pattern : select) {
        add("select " + folder_of(pattern));
    }
    add("to " + to);
    add(in_place ? "in place" : "into " + into);
    add("as of " + (as_of ? std::to_string(*as_of) : ""));
    return core::short_tag(text, 16);
}

bool request::selects(const std::string& path) const {
    return select.empty() || std::any_of(select.begin(), select.end(), [&](const std::string& asked) {
               const auto pattern = folder_of(asked);
               return core::glob_match(pattern, path) || core::glob_match(pattern + "/*", path);
           });
}

}  // namespace m365stage::restore
