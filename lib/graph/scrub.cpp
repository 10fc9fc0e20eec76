#include <array>

#include "core/text.hpp"
#include "graph/errors.hpp"
#include "graph/json.hpp"

namespace m365stage::graph {
namespace {

constexpr std::string_view hidden = "[removed]";
constexpr std::size_t longest = 2048;

// After these comes a secret, up to the next separator.
constexpr std::array<std::string_view, 9> marks{"tempauth",      "access_token",     "deltatoken",
                                                "authtoken",     "bearer ",          "skiptoken",
                                                "client_secret", "client_assertion", "token="};

bool ends_secret(char c) {
    return c == '&' || c == '"' || c == '\'' || c == '<' || c == '>' || c == ')' || c == ',' || c == ';' ||
           static_cast<unsigned char>(c) <= 0x20;
}

bool is_link(char c) {
    return c == '=' || c == ':' || c == '"' || c == '\'' || c == ' ' || c == '%' || c == '\\';
}

void hide_marked(std::string& text, std::string_view mark) {
    std::size_t from = 0;
    while (true) {
        auto at = core::lowered(text).find(mark, from);
        if (at == std::string::npos) {
            return;
        }
        std::size_t begin = at + mark.size();
        bool linked = mark.back() == '=' || mark.back() == ' ';
        while (begin < text.size() && is_link(text[begin])) {
            linked = linked || text[begin] == '=' || text[begin] == ':' || text[begin] == '%';
            ++begin;
        }
        std::size_t end = begin;
        while (end < text.size() && !ends_secret(text[end])) {
            ++end;
        }
        from = begin;
        if (linked && end > begin) {
            text.replace(begin, end - begin, hidden);
            from = begin + hidden.size();
        }
    }
}

// A JWT shows by its start: {"alg"... or {"typ"... in base64.
void hide_jwts(std::string& text) {
    std::size_t from = 0;
    while (true) {
        auto at = text.find("eyJ", from);
        if (at == std::string::npos) {
            return;
        }
        std::size_t end = at;
        while (end < text.size() && !ends_secret(text[end])) {
            ++end;
        }
        if (end - at > 20) {
            text.replace(at, end - at, hidden);
            from = at + hidden.size();
        } else {
            from = end > at ? end : at + 3;
        }
    }
}

}  // namespace

std::string scrub(std::string_view raw) {
    // A secret that the cut would split must be seen whole: first hide, then cut.
    std::string text = valid_utf8(raw.substr(0, 4 * longest));
    for (std::string_view mark : marks) {
        hide_marked(text, mark);
    }
    hide_jwts(text);
    if (text.size() > longest) {
        text = valid_utf8(std::string_view(text).substr(0, longest));
    }
    return text;
}

}  // namespace m365stage::graph
