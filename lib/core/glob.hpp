#pragma once

#include <string>
#include <string_view>

namespace m365stage::core {

/// True if the whole `text` matches `pattern`: `*` stands for any bytes (also none, also '/'), `?` for one
/// UTF-8 character, everything else for itself. ASCII letters match in either case; other bytes only
/// themselves. Takes at most pattern.size() * text.size() steps, whatever the pattern.
bool glob_match(std::string_view pattern, std::string_view text);

/// A pattern over paths, as every command takes it: it selects what it matches and everything below that.
class path_pattern {
public:
    /// Slashes at the end, as shells complete the name of a folder, mean nothing. Empty: everything.
    explicit path_pattern(std::string_view written);
    bool selects(std::string_view path) const;
    /// False only if nothing at or below the path can be selected: there is no need to look.
    bool may_select_below(std::string_view path) const;
    const std::string& text() const { return text_; }  ///< without those slashes

private:
    std::string text_, below_;
};

}  // namespace m365stage::core
