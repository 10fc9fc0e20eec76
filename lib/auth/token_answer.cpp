#include "auth/token_answer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/members.hpp"
#include "core/time.hpp"

namespace m365stage::auth {
namespace {

using nlohmann::json;

struct code_row {
    std::uint64_t code;
    next_step next;
    std::string_view hint;
};

constexpr std::string_view check_clock =
    "check this machine's clock (chronyc tracking): the login service refuses "
    "assertions from the past or the future";
constexpr std::string_view check_app =
    "check {app}.client_id and tenant.id: the app registration is not in this tenant";
constexpr std::string_view check_certificate =
    "upload this certificate to the app registration (Certificates & secrets); if it is there, try "
    "certificate_algorithm RS256";
constexpr std::string_view check_scope =
    "check tenant.cloud and endpoints.graph: they must belong to one cloud";

// Contract 1.5. A code that is not here is judged by status and `error`.
constexpr std::array codes{
    code_row{
        7000215, next_step::give_up,
        "the secret is wrong; often the secret's id was pasted instead of its value: create a new secret and "
        "store its value"
    },
    code_row{7000222, next_step::give_up, "the secret has expired: create a new one and store its value"},
    code_row{
        7000218, next_step::give_up, "configure a certificate, a secret or a federated token for the app"
    },
    code_row{700027, next_step::give_up, check_certificate},
    code_row{50012, next_step::give_up, check_certificate},
    code_row{5001211, next_step::give_up, check_certificate},
    code_row{50013, next_step::fresh_assertion, check_clock},
    code_row{500133, next_step::fresh_assertion, check_clock},
    code_row{700024, next_step::fresh_assertion, check_clock},
    code_row{700016, next_step::give_up, check_app},
    code_row{
        7000112, next_step::give_up,
        "the app is disabled in this tenant: enable it in Enterprise applications"
    },
    code_row{
        90002, next_step::give_up,
        "check tenant.id and tenant.cloud: this login service does not know the tenant"
    },
    code_row{
        900021, next_step::give_up, "tenant.id must be the tenant's GUID or one of its verified domains"
    },
    code_row{50034, next_step::give_up, "the account is not in this directory"},
    code_row{70011, next_step::give_up, check_scope},
    code_row{28002, next_step::give_up, check_scope},
    code_row{28003, next_step::give_up, check_scope},
    code_row{700022, next_step::give_up, check_scope},
    code_row{700023, next_step::give_up, check_scope},
    code_row{500011, next_step::give_up, check_scope},
    code_row{900144, next_step::give_up, "check {app}.client_id and tenant.id"},
    code_row{
        9001023, next_step::give_up, "tenant.id must name your tenant, not common, organizations or consumers"
    },
    code_row{90038, next_step::give_up, "the tenant is in a national cloud: set tenant.cloud"},
    code_row{900432, next_step::give_up, "the tenant is in a national cloud: set tenant.cloud"},
    code_row{900382, next_step::give_up, "the tenant is in a national cloud: set tenant.cloud"},
    code_row{65001, next_step::give_up, "an administrator has to consent to the app's permissions"},
    code_row{
        700229, next_step::give_up,
        "issuer, subject and audience of the token must equal the app's federated credential"
    },
    code_row{
        700213, next_step::give_up,
        "issuer, subject and audience of the token must equal the app's federated credential"
    },
    code_row{
        530032, next_step::give_up, "a Conditional Access policy blocks the app: exclude it or this address"
    },
    code_row{
        53003, next_step::give_up, "a Conditional Access policy blocks the app: exclude it or this address"
    },
    code_row{90055, next_step::back_off, ""},
    code_row{90006, next_step::back_off, ""},
    code_row{90012, next_step::back_off, ""},
    code_row{90024, next_step::back_off, ""},
    code_row{90033, next_step::back_off, ""},
    code_row{90090, next_step::back_off, ""},
    code_row{50000, next_step::back_off, ""},
    code_row{70000, next_step::give_up, "sign in again: the grant was used or has expired"},
};

const code_row* find_code(std::uint64_t code) {
    const auto* at =
        std::find_if(codes.begin(), codes.end(), [&](const code_row& r) { return r.code == code; });
    return at == codes.end() ? nullptr : at;
}

std::optional<std::uint64_t> number_of(const json& value) {
    if (value.is_number_unsigned()) {
        return value.get<std::uint64_t>();
    }
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        std::uint64_t out = 0;
        auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (failed == std::errc() && end == text.data() + text.size()) {
            return out;
        }
    }
    return std::nullopt;
}

// Above 0; decimals count for nothing.
std::optional<std::uint64_t> seconds_of(const json& value) {
    auto out = number_of(value);
    if (value.is_number_float()) {
        const auto seconds = value.get<double>();
        constexpr double most = 1e15;
        out = seconds >= 1 ? static_cast<std::uint64_t>(std::min(seconds, most)) : 0;
    }
    return out == 0 ? std::nullopt : out;
}

// "AADSTS7000215: Invalid client secret" -> 7000215
std::optional<std::uint64_t> code_in(std::string_view description) {
    constexpr std::string_view mark = "AADSTS";
    auto at = description.find(mark);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const char* first = description.data() + at + mark.size();
    std::uint64_t out = 0;
    auto [end, failed] = std::from_chars(first, description.data() + description.size(), out);
    return failed == std::errc() ? std::optional(out) : std::nullopt;
}

std::string_view nature_of(std::string_view body) {
    auto at = body.find_first_not_of(" \t\r\n");
    if (at == std::string_view::npos) {
        return "an empty answer";
    }
    return body[at] == '<' ? "HTML instead of JSON" : "no JSON";
}

struct login_error {
    std::string error;
    std::string description;
    std::vector<std::uint64_t> numbers;
};

std::optional<login_error> read_error(std::string_view body) {
    json parsed = json::parse(body, nullptr, false);
    if (!parsed.is_object()) {
        return std::nullopt;
    }
    login_error out;
    out.error = core::text(parsed, "error");
    out.description = core::text(parsed, "error_description");
    if (auto at = parsed.find("error_codes"); at != parsed.end() && at->is_array()) {
        for (const auto& code : *at) {
            if (auto number = number_of(code)) {
                out.numbers.push_back(*number);
            }
        }
    }
    // The sentence names the most specific code; `error_codes` may list several.
    if (auto number = code_in(out.description)) {
        out.numbers.insert(out.numbers.begin(), *number);
    }
    if (out.error.empty() && out.numbers.empty()) {
        return std::nullopt;
    }
    return out;
}

core::error_kind transient_kind(int status) {
    if (status == 429) {
        return core::error_kind::throttled;
    }
    return status == 408 ? core::error_kind::timeout : core::error_kind::server;
}

bool is_transient_status(int status) {
    return status == 429 || status == 408 || status >= 500;
}

login_failure unreadable(int status, std::string_view body) {
    login_failure out;
    out.why.http_status = status;
    out.why.cause = "the login service answered with " + std::string(nature_of(body));
    out.next = next_step::back_off;
    if (is_transient_status(status)) {
        out.why.kind = transient_kind(status);
    } else {
        out.why.kind = core::error_kind::protocol;
        out.why.hint = "check endpoints.login and whether a proxy answers in its place";
    }
    return out;
}

}  // namespace

std::string plain_sentence(std::string_view description) {
    for (std::string_view mark :
         {" Trace ID:", "Trace ID:", "\r\n", "\n", " Correlation ID:", " Timestamp:"}) {
        description = description.substr(0, description.find(mark));
    }
    if (description.starts_with("AADSTS")) {
        if (auto colon = description.find(": "); colon != std::string_view::npos) {
            description.remove_prefix(colon + 2);
        }
    }
    constexpr std::size_t longest = 400;
    std::string out(description.substr(0, longest));
    while (!out.empty() && (out.back() == ' ' || out.back() == '.')) {
        out.pop_back();
    }
    return out;
}

core::result<token_answer> parse_token(std::string_view body) {
    core::error bad(core::error_kind::protocol, "");
    json parsed = json::parse(body, nullptr, false);
    if (!parsed.is_object()) {
        bad.cause = "the login service answered with " + std::string(nature_of(body));
        bad.hint = "check endpoints.login and whether a proxy answers in its place";
        return bad;
    }
    token_answer out;
    out.value = core::text(parsed, "access_token");
    if (out.value.empty()) {
        bad.cause = "the login service's answer holds no access_token";
        return bad;
    }
    // A header made of it must stay one line.
    bool plain = std::all_of(out.value.begin(), out.value.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (!plain) {
        bad.cause = "the login service's access_token holds impossible characters";
        return bad;
    }
    const auto* told = core::member(parsed, "expires_in");
    if (told == nullptr) {
        out.life = untold_life;
        return out;
    }
    const auto life = seconds_of(*told);
    if (!life) {
        // Asked again it would say the same.
        bad.kind = core::error_kind::auth_refused;
        bad.cause = "the login service's answer holds an expires_in that is no number of seconds";
        bad.hint = "check endpoints.login and whether a proxy changes the answers";
        return bad;
    }
    constexpr std::uint64_t longest = 7 * core::seconds_a_day;
    out.life = std::chrono::seconds(static_cast<std::int64_t>(std::min(*life, longest)));
    return out;
}

login_failure judge_login(int status, std::string_view body) {
    auto read = read_error(body);
    if (!read) {
        return unreadable(status, body);
    }
    login_failure out;
    out.why.http_status = status;
    out.why.cause = plain_sentence(read->description);
    if (out.why.cause.empty()) {
        out.why.cause = "the login service answered " + read->error;
    }
    const code_row* row = nullptr;
    for (auto number : read->numbers) {
        row = find_code(number);
        if (row != nullptr) {
            break;
        }
    }
    if (row != nullptr) {
        out.why.code = "AADSTS" + std::to_string(row->code);
        out.why.hint = row->hint;
        out.next = row->next;
    } else {
        out.why.code = read->numbers.empty() ? read->error : "AADSTS" + std::to_string(read->numbers.front());
        bool transient = read->error == "temporarily_unavailable" || is_transient_status(status);
        out.next = transient ? next_step::back_off : next_step::give_up;
    }
    out.why.kind = out.next == next_step::back_off ? transient_kind(status) : core::error_kind::auth_refused;
    return out;
}

login_failure judge_metadata(int status, std::string_view body) {
    login_failure out;
    out.why.http_status = status;
    if (status == 404 || status == 410 || is_transient_status(status)) {
        out.next = next_step::back_off;
        out.why.kind = transient_kind(status);
        out.why.cause = status == 404 ? "the metadata service has no identity endpoint (yet)"
                                      : "the metadata service is not available";
        out.why.hint = "give this machine a managed identity, or use another credential";
        return out;
    }
    out.why.kind = core::error_kind::auth_refused;
    auto read = read_error(body);
    out.why.code = read ? read->error : "";
    out.why.cause = read ? plain_sentence(read->description) : "";
    if (out.why.cause.empty()) {
        out.why.cause = "the metadata service refused the request";
    }
    out.why.hint = "check that the managed identity ({app}.managed_identity) is assigned to this machine";
    return out;
}

}  // namespace m365stage::auth
