#include "daemon/service_client.hpp"

#include <nlohmann/json.hpp>

#include "api/local_client.hpp"

namespace m365stage::daemon {
namespace {

using nlohmann::json;

core::error unreadable(const std::string& target, int status) {
    core::error e(core::error_kind::disk, "the service's answer makes no sense");
    e.object = target;
    e.http_status = status;
    e.hint = "is it of the same version?";
    return e;
}

/// A message is "what was tried: why it failed"; who has little room leaves out the first.
void separate(core::error& e, const std::string& cause) {
    constexpr std::string_view between = ": ";
    if (!cause.empty() && e.cause.size() > cause.size() + between.size() && e.cause.ends_with(cause)) {
        e.operation = e.cause.substr(0, e.cause.size() - cause.size() - between.size());
        e.cause = cause;
    }
}

/// What the service says instead of what was asked for.
core::error said_no(const std::string& target, const api::local_answer& answer) {
    const auto document = json::parse(answer.body, nullptr, false);
    const auto found = document.find("error");
    if (found == document.end() || !found->is_object()) {
        return unreadable(target, answer.status);
    }
    auto text_of = [&found](const char* name) {
        const auto part = found->find(name);
        return part != found->end() && part->is_string() ? part->get<std::string>() : std::string();
    };
    core::error e(
        core::error_kind_from(text_of("kind")).value_or(core::error_kind::internal), text_of("message")
    );
    if (answer.status == 400) {
        e.kind = core::error_kind::usage;  // what was asked makes no sense, so it is for the caller to mend
    }
    e.hint = text_of("hint");
    separate(e, text_of("cause"));
    return e;
}

/// An answer that is no refusal.
core::result<api::local_answer> exchange(
    const std::string& socket, std::string_view method, const std::string& target, const json& body,
    std::chrono::milliseconds longest
) {
    const auto text =
        body.is_null() ? std::string() : body.dump(-1, ' ', false, json::error_handler_t::replace);
    auto answer = api::ask_local(socket, method, target, text, longest);
    constexpr int first_error = 400;
    if (answer && answer->status >= first_error) {
        return said_no(target, *answer);
    }
    return answer;
}

}  // namespace

core::result<json> ask_service(
    const std::string& socket, std::string_view method, const std::string& target, const json& body,
    std::chrono::milliseconds longest
) {
    const auto answer = exchange(socket, method, target, body, longest);
    if (!answer) {
        return answer.error();
    }
    auto document = json::parse(answer->body, nullptr, false);
    if (!document.is_object()) {
        return unreadable(target, answer->status);
    }
    return document;
}

core::result<void> tell_service(
    const std::string& socket, std::string_view method, const std::string& target, const json& body,
    std::chrono::milliseconds longest
) {
    const auto answer = exchange(socket, method, target, body, longest);
    if (!answer) {
        return answer.error();
    }
    constexpr int noted = 204;
    return answer->status == noted ? core::result<void>() : unreadable(target, answer->status);
}

bool service_answers(const std::string& socket) {
    return api::ask_local(socket, "GET", "/healthz", "", std::chrono::seconds(5)).has_value();
}

}  // namespace m365stage::daemon
