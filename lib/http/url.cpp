#include <algorithm>

#include "http/http.hpp"
#include "http/text.hpp"

namespace m365stage::http {
namespace {

// The text never holds the URL itself: its query may be a secret.
core::error bad_url(std::string_view why) {
    return core::error(core::error_kind::protocol, "not a usable URL: " + std::string(why));
}

bool is_host_character(char c) {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
}

bool is_ipv6_character(char c) {
    return is_digit(c) || (core::lower(c) >= 'a' && core::lower(c) <= 'f') || c == ':' || c == '.';
}

bool is_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit)) {
        return false;
    }
    int value = 0;
    for (char c : text) {
        value = value * 10 + (c - '0');
    }
    return value >= 1 && value <= 65535;
}

/// -1: not hexadecimal.
int digit_of(char c) {
    const char l = core::lower(c);
    return is_digit(c) ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

core::result<void> split_authority(std::string_view authority, url_parts& out) {
    if (authority.find('@') != std::string_view::npos) {
        return bad_url("it holds user information");
    }
    std::string_view host = authority;
    std::string_view rest;
    if (authority.starts_with('[')) {
        const auto end = authority.find(']');
        if (end == std::string_view::npos) {
            return bad_url("the bracket of the address is not closed");
        }
        host = authority.substr(1, end - 1);
        rest = authority.substr(end + 1);
        if (!std::all_of(host.begin(), host.end(), is_ipv6_character) || host.find(':') == host.npos) {
            return bad_url("the address in brackets is not IPv6");
        }
    } else {
        const auto colon = authority.find(':');
        host = authority.substr(0, colon);
        rest = colon == authority.npos ? std::string_view() : authority.substr(colon);
        if (!std::all_of(host.begin(), host.end(), is_host_character)) {
            return bad_url("the host name holds characters that are not allowed");
        }
    }
    if (host.empty() || host.size() > 255) {
        return bad_url(host.empty() ? "the host name is missing" : "the host name is too long");
    }
    if (!rest.empty() && rest != ":") {
        if (rest.front() != ':' || !is_port(rest.substr(1))) {
            return bad_url("the port is not a number from 1 to 65535");
        }
        out.port = std::string(rest.substr(1));
    }
    out.host = core::lowered(host);
    return {};
}

}  // namespace

core::result<url_parts> parse_url(std::string_view url) {
    const auto mark = url.find("://");
    if (mark == std::string_view::npos) {
        return bad_url("the scheme is missing");
    }
    url_parts out;
    out.scheme = core::lowered(url.substr(0, mark));
    if (out.scheme != "https" && out.scheme != "http") {
        return bad_url("only http and https are supported");
    }
    out.port = out.scheme == "https" ? "443" : "80";
    // A blank or a control character would end the request line early; everything else is sent as it is.
    if (std::any_of(url.begin(), url.end(), [](char c) { return is_control(c) || c == ' '; })) {
        return bad_url("it holds blanks or control characters");
    }
    std::string_view rest = url.substr(mark + 3);
    rest = rest.substr(0, rest.find('#'));
    const auto end = rest.find_first_of("/?");
    if (auto done = split_authority(rest.substr(0, end), out); !done) {
        return done.error();
    }
    if (end == std::string_view::npos) {
        out.target = "/";
    } else {
        out.target = rest[end] == '?' ? "/" + std::string(rest.substr(end)) : std::string(rest.substr(end));
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (char c : text) {
        if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
            const int low = high >= 0 ? digit_of(text[i + 2]) : -1;
            if (low < 0) {
                return std::nullopt;
            }
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            return std::nullopt;
        }
        out += c;
    }
    return out;
}

}  // namespace m365stage::http
