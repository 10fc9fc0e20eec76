#include "core/error.hpp"

#include <array>
#include <boost/assert/source_location.hpp>
#include <cstring>

namespace m365stage::core {
namespace {

struct kind_row {
    error_kind kind;
    std::string_view name;
    bool transient;
    exit_code exit;
};

// The one place that says what follows from a kind of error.
constexpr std::array kinds{
    kind_row{error_kind::usage, "usage", false, exit_code::usage},
    kind_row{error_kind::auth_refused, "auth_refused", false, exit_code::auth},
    kind_row{error_kind::unauthorized, "unauthorized", false, exit_code::auth},
    kind_row{error_kind::forbidden, "forbidden", false, exit_code::auth},
    kind_row{error_kind::not_found, "not_found", false, exit_code::some_failed},
    kind_row{error_kind::conflict, "conflict", false, exit_code::some_failed},
    kind_row{error_kind::resync, "resync", false, exit_code::some_failed},
    kind_row{error_kind::throttled, "throttled", true, exit_code::unreachable},
    kind_row{error_kind::locked, "locked", false, exit_code::some_failed},
    kind_row{error_kind::malware, "malware", false, exit_code::some_failed},
    kind_row{error_kind::unsupported, "unsupported", false, exit_code::some_failed},
    kind_row{error_kind::bad_request, "bad_request", false, exit_code::some_failed},
    kind_row{error_kind::server, "server", true, exit_code::unreachable},
    kind_row{error_kind::transport, "transport", true, exit_code::unreachable},
    kind_row{error_kind::timeout, "timeout", true, exit_code::unreachable},
    kind_row{error_kind::protocol, "protocol", true, exit_code::some_failed},
    kind_row{error_kind::too_large, "too_large", false, exit_code::some_failed},
    kind_row{error_kind::content_changed, "content_changed", true, exit_code::some_failed},
    kind_row{error_kind::insufficient, "insufficient", false, exit_code::some_failed},
    kind_row{error_kind::disk, "disk", false, exit_code::local},
    kind_row{error_kind::index, "index", false, exit_code::local},
    kind_row{error_kind::guard, "guard", false, exit_code::guard},
    kind_row{error_kind::owed, "owed", false, exit_code::some_failed},
    kind_row{error_kind::busy, "busy", false, exit_code::timed_out},
    kind_row{error_kind::cancelled, "cancelled", false, exit_code::timed_out},
    kind_row{error_kind::internal, "internal", false, exit_code::local},
};

const kind_row& row(error_kind kind) {
    for (const auto& r : kinds) {
        if (r.kind == kind) {
            return r;
        }
    }
    return kinds.back();
}

void append_clean(std::string& out, std::string_view text) {
    for (char c : text) {
        out += (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) ? ' ' : c;
    }
}

}  // namespace

std::string_view to_string(error_kind kind) {
    return row(kind).name;
}

std::optional<error_kind> error_kind_from(std::string_view text) {
    for (const auto& r : kinds) {
        if (r.name == text) {
            return r.kind;
        }
    }
    return std::nullopt;
}

bool is_transient(error_kind kind) {
    return row(kind).transient;
}

exit_code exit_code_for(error_kind kind) {
    return row(kind).exit;
}

namespace {

/// Cut between two characters, and marked as cut.
void cut(std::string& text, std::size_t longest) {
    if (text.size() <= longest) {
        return;
    }
    while (longest > 0 && (static_cast<unsigned char>(text[longest]) & 0xC0) == 0x80) {
        --longest;
    }
    text.resize(longest);
    text += "...";
}

}  // namespace

std::string describe(const error& e) {
    std::string out;
    auto part = [&out](std::string_view text, std::string_view before) {
        if (!text.empty()) {
            if (!out.empty()) {
                out += before;
            }
            append_clean(out, text);
        }
    };
    part(e.operation, "");
    part(e.object, " ");
    std::string status = e.http_status != 0 ? "HTTP " + std::to_string(e.http_status) : std::string();
    if (!e.code.empty() && e.cause.find(e.code) == std::string::npos) {
        status += (status.empty() ? "" : " ") + e.code;
    }
    part(status, ": ");
    part(e.cause.empty() ? to_string(e.kind) : std::string_view(e.cause), ": ");
    if (!e.request_id.empty()) {
        part("(request " + e.request_id + ")", " ");
    }
    // What a person can do is told to its end; what the service had to say may be endless.
    constexpr std::size_t longest = 1000;
    auto hint = e.hint;
    cut(hint, longest / 2);
    cut(out, longest - hint.size());
    part(hint, "; ");
    return out;
}

error disk_error(int code) {
    return {error_kind::disk, std::strerror(code)};
}

void throw_exception_from_error(const error& e, const boost::source_location&) {
    throw fatal(e);
}

}  // namespace m365stage::core
