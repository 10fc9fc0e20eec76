#include "core/glob.hpp"

#include <algorithm>
#include <cstddef>

#include "core/text.hpp"

namespace m365stage::core {
namespace {

std::size_t next_character(std::string_view text, std::size_t at) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) {
        ++at;
    }
    return at;
}

}  // namespace

// Only the last star ever needs another try: what an earlier star could take instead, the last one can take
// too.
bool glob_match(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t after_star = std::string_view::npos;
    std::size_t star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            after_star = ++p;
            star_text = t;
        } else if (p < pattern.size() && pattern[p] == '?') {
            ++p;
            t = next_character(text, t);
        } else if (p < pattern.size() && lower(pattern[p]) == lower(text[t])) {
            ++p;
            ++t;
        } else if (after_star != std::string_view::npos) {
            p = after_star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

path_pattern::path_pattern(std::string_view written) {
    while (written.size() > 1 && written.ends_with('/')) {
        written.remove_suffix(1);
    }
    text_ = written;
    below_ = text_ + "/*";
}

bool path_pattern::selects(std::string_view path) const {
    return text_.empty() || glob_match(text_, path) || glob_match(below_, path);
}

bool path_pattern::may_select_below(std::string_view path) const {
    // Of the pattern, what stands before its first star; of the paths, what they all begin with.
    const auto fixed = text_.substr(0, text_.find_first_of("*?"));
    const auto folder = std::string(path) + "/";
    const auto n = static_cast<std::ptrdiff_t>(std::min(fixed.size(), folder.size()));
    const auto same = [](char a, char b) { return lower(a) == lower(b); };
    return selects(path) || std::equal(fixed.begin(), fixed.begin() + n, folder.begin(), same);
}

}  // namespace m365stage::core
