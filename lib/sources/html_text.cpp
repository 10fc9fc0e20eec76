#include <array>
#include <cstdint>
#include <utility>

#include "core/text.hpp"
#include "graph/json_text.hpp"
#include "sources/ics_event.hpp"

namespace m365stage::sources {
namespace {

/// "&amp;", "&#228;", "&#xe4;" at the front of `s`: appends what it stands for. How long it is; 0: none.
std::size_t take_entity(std::string& out, std::string_view s) {
    constexpr std::size_t longest = 12;
    const auto end = s.substr(0, longest).find(';');
    if (end == std::string_view::npos || end < 2) {
        return 0;
    }
    const auto name = s.substr(1, end - 1);
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> known{
        {{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", " "}}
    };
    for (const auto& [entity, text] : known) {
        if (entity == name) {
            out += text;
            return end + 1;
        }
    }
    if (name[0] != '#' || name.size() < 2) {
        return 0;
    }
    const bool hex = name[1] == 'x' || name[1] == 'X';
    std::uint32_t code = 0;
    for (const char c : name.substr(hex ? 2 : 1)) {
        const char d = c >= '0' && c <= '9' ? static_cast<char>(c - '0')
                       : hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
                           ? static_cast<char>((c | 0x20) - 'a' + 10)
                           : char{99};
        if (d == 99 || code > 0x10FFFF) {
            return 0;
        }
        code = code * (hex ? 16 : 10) + static_cast<std::uint32_t>(d);
    }
    const bool character = code >= 0x20 && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
    if (character) {
        graph::append_utf8(out, code);
    }
    return end + 1;
}

class converter {
public:
    std::string run(std::string_view html) {
        for (std::size_t at = 0; at < html.size();) {
            if (html[at] == '<') {
                at = tag(html, at);
            } else if (const auto taken = html[at] == '&' ? entity(html.substr(at)) : 0; taken > 0) {
                at += taken;
            } else {
                character(html[at++]);
            }
        }
        while (!out_.empty() && (out_.back() == '\n' || out_.back() == ' ')) {
            out_.pop_back();
        }
        return std::move(out_);
    }

private:
    std::size_t entity(std::string_view s) {
        std::string what;
        const auto taken = take_entity(what, s);
        out_ += what;
        return taken;
    }

    void character(char c) {
        const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!blank) {
            out_ += c;
        } else if (!out_.empty() && out_.back() != ' ' && out_.back() != '\n') {
            out_ += ' ';
        }
    }

    void line_break() {
        if (!out_.empty() && out_.back() == ' ') {
            out_.pop_back();
        }
        // Not more than one empty line.
        if (!out_.empty() && !out_.ends_with("\n\n")) {
            out_ += '\n';
        }
    }

    /// Where the text goes on behind the tag at `at`.
    std::size_t tag(std::string_view html, std::size_t at) {
        if (html.substr(at).starts_with("<!--")) {
            const auto end = html.find("-->", at);
            return end == std::string_view::npos ? html.size() : end + 3;
        }
        const auto end = html.find('>', at);
        if (end == std::string_view::npos) {
            return html.size();
        }
        auto name = core::lowered(html.substr(at + 1, std::min<std::size_t>(end - at - 1, 12)));
        name = name.substr(0, name.find_first_of(" \t\r\n>", 1));
        if (name == "style" || name == "script" || name == "head" || name == "title") {
            const auto close = core::lowered(html.substr(end)).find("</" + name);
            return close == std::string_view::npos ? html.size() : end + close;
        }
        for (const char* breaks : {"br", "br/", "/p", "/div", "/tr", "/li", "/h1", "/h2", "/h3", "/table"}) {
            if (name == breaks) {
                line_break();
            }
        }
        return end + 1;
    }

    std::string out_;
};

}  // namespace

std::string text_of_html(std::string_view html) {
    return converter().run(html);
}

}  // namespace m365stage::sources
