#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace m365stage::core {

/// What went wrong, as far as the caller's next step depends on it. One table (`error.cpp`) says for each
/// kind whether it is worth another try and which exit code it has. The values are stored in the index as
/// text (`to_string`), so names are part of the format: do not rename.
enum class error_kind {
    usage,            ///< command line or configuration
    auth_refused,     ///< the login service refused the credential; only a person can change that
    unauthorized,     ///< 401: the token was not accepted
    forbidden,        ///< 403: a permission is missing or a policy forbids it
    not_found,        ///< 404: the object is not there (any more)
    conflict,         ///< 409/412: somebody else changed it
    resync,           ///< 410 and its relatives: the delta cursor is dead, enumerate again
    throttled,        ///< 429/503 with or without Retry-After
    locked,           ///< 423: site or file locked
    malware,          ///< the service refuses to serve the content because it is infected
    unsupported,      ///< the service does not offer this for this object
    bad_request,      ///< 400 and other 4xx that no retry mends
    server,           ///< 5xx without throttling meaning
    transport,        ///< connection, TLS, early end of a body
    timeout,          ///< nothing moved for too long
    protocol,         ///< the answer makes no sense: bad JSON, HTML, wrong lengths, a link that loops
    too_large,        ///< a bound of ours was exceeded (header, JSON page)
    content_changed,  ///< content changed while it was being read in pieces
    insufficient,     ///< no room at the target (507)
    disk,             ///< local file system
    index,            ///< the SQLite index
    guard,            ///< held by the deletion guard
    owed,             ///< something is not in the tree as the service has it, and the asker insists
    busy,             ///< somebody else holds it
    cancelled,        ///< we were told to stop
    internal,         ///< a broken invariant of ours
};

std::string_view to_string(error_kind kind);
std::optional<error_kind> error_kind_from(std::string_view text);

/// Exit codes of the command line (README.md, "Operation"). Users' scripts depend on them.
enum class exit_code : int {
    done = 0,
    some_failed = 1,
    usage = 2,
    auth = 3,
    unreachable = 4,
    local = 5,
    guard = 6,
    timed_out = 7,
};

/// One failure, complete enough to be shown to a person in one line.
/// `operation` says what was tried ("download"), `object` on what ("users/ann@contoso.com/onedrive/a.txt"),
/// `cause` why it failed, `hint` what the person can do (may be empty). None of them ever holds a token, a
/// secret or a pre-authenticated URL.
struct error {
    error() = default;
    error(error_kind k, std::string why) : kind(k), cause(std::move(why)) {}

    error_kind kind = error_kind::internal;
    std::string operation;
    std::string object;
    std::string cause;
    std::string hint;
    std::string code;  ///< the service's own code: "itemNotFound", "AADSTS7000215"; empty if there is none
    std::string request_id;  ///< the service's request-id, for support; empty if there is none
    int http_status = 0;     ///< 0 if there was no HTTP answer
    std::optional<std::chrono::milliseconds> retry_after;  ///< as the service gave it; never shortened
    std::string claims;  ///< decoded claims challenge of a 401 (contract 1.6); not for logs

    error&& on(std::string what) && {
        object = std::move(what);
        return std::move(*this);
    }
    error&& during(std::string what) && {
        operation = std::move(what);
        return std::move(*this);
    }
    error&& advise(std::string what) && {
        hint = std::move(what);
        return std::move(*this);
    }
};

/// A failure of the local file system; `code`: an errno.
error disk_error(int code);

/// One line: "download users/ann/onedrive/a.txt: HTTP 423 resourceLocked: site is locked (request 1234): ask
/// ...". Line breaks and control characters in the parts are replaced by blanks; the line is cut at about
/// 1,000 bytes.
std::string describe(const error& e);

/// True if the same call may succeed later without anybody changing anything.
bool is_transient(error_kind kind);

/// The exit code that a command ends with when this error ends it.
exit_code exit_code_for(error_kind kind);

template <class T>
using result = boost::system::result<T, error>;

/// A failure that ends a whole task (not an expected outcome): broken invariant, damaged index, full disk.
/// Caught only at a task's border.
class fatal : public std::exception {
public:
    explicit fatal(error e) : error_(std::move(e)), text_(describe(error_)) {}
    const char* what() const noexcept override { return text_.c_str(); }
    const core::error& why() const noexcept { return error_; }

private:
    core::error error_;
    std::string text_;
};

/// Lets result<T>::value() throw `fatal`.
[[noreturn]] void throw_exception_from_error(const error& e, const boost::source_location& where);

}  // namespace m365stage::core
