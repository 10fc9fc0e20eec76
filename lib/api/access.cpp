#include "api/access.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/log.hpp"
#include "core/text.hpp"
#include "http/text.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::api {
namespace {

using core::error_kind;

constexpr std::size_t shortest_token = 16, longest_token = 4096;

core::error bad_token_file(const std::string& file, std::string why) {
    core::error e(error_kind::usage, std::move(why));
    e.operation = "reading api.token_file";
    e.object = file;
    e.hint = "write one line of at least 16 characters into it: openssl rand -hex 32";
    return e;
}

core::result<std::string> read_token(const std::string& file) {
    const tree::unique_fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
        return bad_token_file(file, std::strerror(errno));
    }
    std::string text(longest_token + 1, '\0');
    const auto n = ::read(fd.get(), text.data(), text.size());
    if (n < 0) {
        return bad_token_file(file, std::strerror(errno));
    }
    text.resize(static_cast<std::size_t>(n));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
        text.pop_back();
    }
    if (text.size() < shortest_token || text.size() > longest_token) {
        return bad_token_file(file, "the token must have 16 to 4096 characters");
    }
    for (const char c : text) {
        if (c <= ' ' || c > '~') {
            return bad_token_file(file, "the token may have printable ASCII characters only, and no blanks");
        }
    }
    return text;
}

}  // namespace

access::access(std::uint16_t port, std::string token_file) : port_(port), file_(std::move(token_file)) {}

core::result<void> access::reload() {
    if (file_.empty()) {
        return {};
    }
    auto text = read_token(file_);
    if (!text) {
        return text.error();
    }
    token_ = core::sha256::of(*text);
    return {};
}

bool access::is_own_host(std::string_view host) const {
    const auto bracket = host.find(']');
    const auto colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
    // A browser leaves the port out only when it is 80.
    const auto port = colon == std::string_view::npos ? "80" : host.substr(colon + 1);
    const auto name = core::lowered(host.substr(0, std::min(colon, host.size())));
    return port == std::to_string(port_) &&
           (name == "localhost" || name == "[::1]" ||
            (name.starts_with("127.") && name.find_first_not_of("0123456789.") == std::string::npos));
}

bool access::is_right(std::string_view authorization) const {
    constexpr std::string_view scheme = "bearer ";
    if (!token_ || authorization.size() <= scheme.size() ||
        !http::equal_names(authorization.substr(0, scheme.size()), scheme)) {
        return false;
    }
    const auto given = core::sha256::of(authorization.substr(scheme.size()));
    unsigned difference = 0;
    for (std::size_t i = 0; i < given.size(); ++i) {
        difference |= static_cast<unsigned>(given[i] ^ (*token_)[i]);
    }
    return difference == 0;
}

bool is_open(std::string_view path) {
    constexpr std::array open{"/", "/page.css", "/page.js", "/healthz", "/readyz"};
    for (const std::string_view p : open) {
        if (p == path) {
            return true;
        }
    }
    return false;
}

std::optional<response> check_access(const access& who, request& r) {
    if (r.local) {
        r.trusted = true;
        return std::nullopt;
    }
    if (!who.is_own_host(r.host)) {
        core::error e(error_kind::forbidden, "the Host field names another machine");
        e.hint = "ask for localhost or 127.0.0.1, with the port";
        return error_response(421, e);
    }
    r.trusted = who.is_right(r.authorization);
    if (r.trusted || is_open(r.path)) {
        return std::nullopt;
    }
    if (!r.authorization.empty()) {
        core::log(core::log_level::warning, "api: " + r.peer + " came with a wrong token");
    }
    core::error e(error_kind::unauthorized, "a bearer token is needed");
    e.hint = who.has_token()
                 ? "send 'Authorization: Bearer TOKEN' with the token of api.token_file"
                 : "api.token_file is not configured: only the Unix socket (api.socket) answers this";
    auto refused = error_response(e);
    refused.fields.emplace_back("WWW-Authenticate", "Bearer realm=\"m365stage\"");
    return refused;
}

}  // namespace m365stage::api
