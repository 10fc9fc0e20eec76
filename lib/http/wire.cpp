#include "http/wire.hpp"

#include <algorithm>
#include <array>

#include "http/text.hpp"

namespace m365stage::http {
namespace {

bool is_own_field(std::string_view name) {
    constexpr std::array<std::string_view, 4> own{
        "Host", "Connection", "Content-Length", "Transfer-Encoding"
    };
    return std::any_of(own.begin(), own.end(), [&](std::string_view field) {
        return equal_names(field, name);
    });
}

bool wants_length(const request& r) {
    return r.source || !r.body.empty() || r.verb == method::post || r.verb == method::put ||
           r.verb == method::patch;
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string_view to_string(method verb) {
    switch (verb) {
        case method::get:
            return "GET";
        case method::head:
            return "HEAD";
        case method::post:
            return "POST";
        case method::put:
            return "PUT";
        case method::patch:
            return "PATCH";
        case method::del:
            return "DELETE";
    }
    return "GET";
}

bool is_field_name(std::string_view name) {
    constexpr std::string_view symbols = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
        return is_alpha(c) || is_digit(c) || symbols.find(c) != symbols.npos;
    });
}

bool is_field_value(std::string_view value) {
    return std::none_of(value.begin(), value.end(), [](char c) { return is_control(c) && c != '\t'; });
}

std::string authority_of(const url_parts& at) {
    const bool ipv6 = at.host.find(':') != std::string::npos;
    std::string out = ipv6 ? "[" + at.host + "]" : at.host;
    if (at.port != (at.scheme == "https" ? "443" : "80")) {
        out += ':' + at.port;
    }
    return out;
}

core::result<std::string> make_head(const request& r, const url_parts& at, target_form form) {
    std::string out;
    out.reserve(256 + at.target.size() + 64 * r.fields.all().size());
    out.append(to_string(r.verb)).append(" ");
    const std::string authority = authority_of(at);
    if (form == target_form::absolute) {
        out.append(at.scheme).append("://").append(authority);
    }
    out.append(at.target).append(" HTTP/1.1\r\n");
    append_field(out, "Host", authority);
    for (const auto& [name, value] : r.fields.all()) {
        if (!is_field_name(name) || !is_field_value(value)) {
            return core::error(
                core::error_kind::protocol, is_field_name(name)
                                                ? "the header field " + name + " holds control characters"
                                                : "a header field has a name that is not allowed"
            );
        }
        if (!is_own_field(name)) {
            append_field(out, name, value);
        }
    }
    if (wants_length(r)) {
        append_field(out, "Content-Length", std::to_string(r.source ? r.source->size() : r.body.size()));
    }
    out.append("\r\n");
    return out;
}

std::string make_connect_head(const url_parts& at, std::string_view user_agent) {
    const bool ipv6 = at.host.find(':') != std::string::npos;
    const std::string target = (ipv6 ? "[" + at.host + "]" : at.host) + ":" + at.port;
    std::string out = "CONNECT " + target + " HTTP/1.1\r\n";
    append_field(out, "Host", target);
    if (!user_agent.empty()) {
        append_field(out, "User-Agent", user_agent);
    }
    return out + "\r\n";
}

bool bypasses_proxy(const url_parts& at) {
    constexpr std::array<std::string_view, 4> direct{"169.254.169.254", "127.0.0.1", "::1", "localhost"};
    return at.scheme == "http" && std::find(direct.begin(), direct.end(), at.host) != direct.end();
}

core::error failure(core::error_kind kind, method verb, const url_parts& at, std::string_view why) {
    std::string text(to_string(verb));
    text.append(" ").append(at.scheme).append("://").append(authority_of(at)).append(": ").append(why);
    return core::error(kind, std::move(text));
}

std::string in_words(std::chrono::milliseconds span) {
    const auto count = span.count();
    if (count < 1000) {
        return std::to_string(count) + " ms";
    }
    std::string out = std::to_string(count / 1000);
    if (const auto tenths = count % 1000 / 100; tenths != 0) {
        out += '.' + std::to_string(tenths);
    }
    return out + " s";
}

}  // namespace m365stage::http
