#include "graph/errors.hpp"

#include <algorithm>
#include <array>

#include "auth/encoding.hpp"
#include "core/http_date.hpp"
#include "core/text.hpp"
#include "graph/error_body.hpp"
#include "graph/error_table.hpp"
#include "graph/json.hpp"

namespace m365stage::graph {
namespace {

using core::error_kind;

struct status_row {
    int status;
    error_kind kind;
    retry_class retry;
};

// For answers whose code and message say nothing more.
constexpr std::array status_rows{
    status_row{400, error_kind::bad_request, retry_class::never},
    status_row{401, error_kind::unauthorized, retry_class::sign_in},
    status_row{402, error_kind::unsupported, retry_class::never},
    status_row{403, error_kind::forbidden, retry_class::never},
    status_row{404, error_kind::not_found, retry_class::never},
    status_row{407, error_kind::transport, retry_class::never},
    status_row{408, error_kind::timeout, retry_class::transient},
    status_row{409, error_kind::conflict, retry_class::never},
    status_row{410, error_kind::resync, retry_class::never},
    status_row{412, error_kind::conflict, retry_class::never},
    status_row{423, error_kind::locked, retry_class::never},
    status_row{425, error_kind::server, retry_class::transient},
    status_row{429, error_kind::throttled, retry_class::throttled},
    status_row{501, error_kind::unsupported, retry_class::never},
    status_row{507, error_kind::insufficient, retry_class::never},
    status_row{509, error_kind::throttled, retry_class::throttled},
};

status_row row_of(int status) {
    for (const status_row& row : status_rows) {
        if (row.status == status) {
            return row;
        }
    }
    if (status >= 500) {
        return {status, error_kind::server, retry_class::transient};
    }
    return {status, error_kind::bad_request, retry_class::never};
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

bool says_expired(const error_body& body, const http::header_list& fields) {
    std::string challenge = core::lowered(fields.find("WWW-Authenticate").value_or(""));
    const std::string& text = body.all_messages;
    return contains(challenge, "expired_token") || contains(text, "unable to initialize rps") ||
           contains(text, "has expired") || contains(text, "lifetime validation failed") ||
           contains(text, "not yet valid");
}

// The innermost code that we know; else the innermost one that says anything.
struct best_code {
    std::string code;
    const error_row* row = nullptr;
};

best_code choose_code(int status, const std::vector<std::string>& codes) {
    best_code out;
    for (auto at = codes.rbegin(); at != codes.rend(); ++at) {
        if (const error_row* row = find_code_row(status, core::lowered(*at))) {
            out.code = *at;
            out.row = row;
            return out;
        }
    }
    out.code = codes.empty() ? "" : codes.front();
    return out;
}

std::string sentence(int status, const error_body& body, std::string_view raw) {
    if (!body.message.empty()) {
        std::string text = scrub(body.message);
        if (text.size() > 400) {
            text = valid_utf8(std::string_view(text).substr(0, 400)) + "...";
        }
        return text;
    }
    if (body.empty) {
        return "the service answered " + std::to_string(status) + " without an explanation";
    }
    if (!body.json) {
        return "the service answered " + std::to_string(status) + " with " + std::string(nature_of(raw));
    }
    return "the service refused without a message";
}

bool is_get(const asked& request) {
    return request.verb == http::method::get || request.verb == http::method::head;
}

void apply(verdict& out, const asked& request, const error_row& row) {
    out.why.kind = row.kind;
    out.retry = row.retry;
    out.why.hint = is_get(request) || row.write_hint.empty() ? row.hint : row.write_hint;
}

// "404 FILE NOT FOUND" of a file host speaks of the URL, not of the user: only what is said of content
// counts.
bool holds_for_file_hosts(error_kind kind) {
    return kind == error_kind::malware || kind == error_kind::locked || kind == error_kind::throttled ||
           kind == error_kind::transport || kind == error_kind::insufficient || kind == error_kind::conflict;
}

// The exceptions that depend on more than one field.
void apply_exceptions(
    const asked& request, const http::response& answer, const error_body& body, verdict& out
) {
    int status = answer.status;
    if (status == 503 && out.why.kind == error_kind::server && out.why.retry_after) {
        out.why.kind = error_kind::throttled;
        out.retry = retry_class::throttled;
    }
    if (request.preauthenticated) {
        // The token of the URL is dead or the file is gone: the caller asks for a fresh URL.
        if (status == 401) {
            out.retry = retry_class::never;
        }
        return;
    }
    // A challenge that finds fault with the token is about the token, whatever the code.
    const bool about_token =
        contains(core::lowered(answer.fields.find("WWW-Authenticate").value_or("")), "invalid_token") ||
        !claims_challenge(answer.fields).empty();
    if (status == 401 && out.why.kind != error_kind::unauthorized && about_token) {
        out.why.kind = error_kind::unauthorized;
        out.why.hint.clear();
        out.retry = retry_class::sign_in;
    }
    if (status == 401 && says_expired(body, answer.fields)) {
        out.why.kind = error_kind::unauthorized;
        out.retry = retry_class::sign_in_again;
    }
    // Nothing is taken for gone that the service itself does not say is gone (contract Q54): with an empty
    // body, or with a gateway's page, it may be there.
    if (status == 404 && out.why.kind == error_kind::not_found && !body.json && is_get(request)) {
        out.why.kind = error_kind::server;
        out.retry = retry_class::transient;
    }
    if (status == 400 && is_get(request) && out.why.kind == error_kind::bad_request &&
        core::lowered(out.why.code) == "invalidrequest") {
        out.retry = retry_class::brief;
    }
}

}  // namespace

verdict judge(const asked& request, const http::response& answer) {
    error_body body = read_error_body(answer.body);
    verdict out;
    out.why.http_status = answer.status;
    out.why.object = request.object;
    best_code best = choose_code(answer.status, body.codes);
    out.why.code = scrub(best.code);
    out.why.cause = sentence(answer.status, body, answer.body);
    out.why.request_id = scrub(answer.fields.find("request-id").value_or(body.request_id));
    if (auto text = answer.fields.find("Retry-After")) {
        // A date is one of the service's clock, which tells its own time in every answer.
        const auto there = core::parse_http_date(answer.fields.find("Date").value_or(""));
        const auto now = there ? std::chrono::system_clock::from_time_t(*there) : request.now;
        out.why.retry_after = parse_retry_after(*text, now);
    }
    status_row by_status = row_of(answer.status);
    out.why.kind = by_status.kind;
    out.retry = by_status.retry;
    bool infected = core::lowered(answer.fields.find("X-Virus-Infected").value_or("")) == "true";
    const error_row* row = find_message_row(answer.status, body.all_messages);
    row = row != nullptr ? row : best.row;
    if (row != nullptr && (!request.preauthenticated || holds_for_file_hosts(row->kind))) {
        apply(out, request, *row);
    }
    if (infected) {
        apply(out, request, *find_code_row(answer.status, "malwaredetected"));
    }
    apply_exceptions(request, answer, body, out);
    if (answer.status == 401 && !request.preauthenticated) {
        out.why.claims = claims_challenge(answer.fields);
    }
    return out;
}

verdict judge(const asked& request, core::error failure) {
    verdict out;
    out.why = std::move(failure);
    if (out.why.object.empty()) {
        out.why.object = request.object;
    }
    out.retry = core::is_transient(out.why.kind) ? retry_class::transient : retry_class::never;
    return out;
}

bool is_clear(const core::error& refusal, int tries) {
    return !refusal.code.empty() || tries >= most_doubts;
}

core::error as_unclear(core::error refusal) {
    refusal.kind = error_kind::server;
    return refusal;
}

std::string claims_challenge(const http::header_list& fields) {
    for (const auto& [name, value] : fields.all()) {
        if (core::lowered(name) != "www-authenticate" ||
            !contains(core::lowered(value), "insufficient_claims")) {
            continue;
        }
        auto at = core::lowered(value).find("claims=\"");
        if (at == std::string::npos) {
            continue;
        }
        at += 8;
        auto end = value.find('"', at);
        auto decoded = auth::base64_decode(std::string_view(value).substr(at, end - at));
        // It is sent to the login service as it is: only an object is worth that.
        if (decoded && parse_object(*decoded)) {
            return *decoded;
        }
    }
    return {};
}

}  // namespace m365stage::graph
