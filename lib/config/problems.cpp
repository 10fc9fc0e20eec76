#include "config/problems.hpp"

#include <algorithm>
#include <filesystem>

namespace m365stage::config {

void problem_list::add(int line, const std::string& key, const std::string& what) {
    const auto same = [&](const problem& p) { return p.line == line && p.key == key; };
    // The first thing said about a key is the most basic one; what follows from it only distracts.
    if (std::any_of(found_.begin(), found_.end(), same)) {
        return;
    }
    problem p;
    p.line = line;
    p.key = key;
    p.what = what;
    const auto by_line = [](const problem& a, const problem& b) { return a.line < b.line; };
    const auto place = std::upper_bound(found_.begin(), found_.end(), p, by_line);
    found_.insert(place, std::move(p));
}

std::string problem_list::folder() const {
    return std::filesystem::absolute(file_).parent_path();
}

std::string problem_list::text() const {
    constexpr std::size_t most = 20;
    std::string out;
    for (std::size_t i = 0; i < found_.size() && i < most; ++i) {
        const problem& p = found_[i];
        out += out.empty() ? "" : "\n";
        out += file_ + (p.line > 0 ? ":" + std::to_string(p.line) : std::string()) + ": ";
        out += (p.key.empty() ? "" : p.key + ": ") + p.what;
    }
    if (found_.size() > most) {
        out += "\n" + file_ + ": " + std::to_string(found_.size() - most) + " more problems";
    }
    return out;
}

std::string quoted(const std::string& text) {
    constexpr std::size_t longest = 60;
    std::string out = "\"";
    for (char c : text.substr(0, longest)) {
        out += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? '?' : c;
    }
    // A cut in the middle of a UTF-8 character would make the whole line unreadable for some terminals.
    if (text.size() > longest) {
        while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) {
            out.pop_back();
        }
        if ((static_cast<unsigned char>(out.back()) & 0xC0) == 0xC0) {
            out.pop_back();
        }
        out += "...";
    }
    return out + "\"";
}

}  // namespace m365stage::config
