// Any bytes as the metadata of a sidecar that a restore reads, and as what the service answers to it:
// requests that are JSON, or nothing; never an exception.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "graph/json.hpp"
#include "restore/event_body.hpp"
#include "restore/mail_json.hpp"
#include "restore/record_format.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage;
    using nlohmann::json;
    const auto parsed = graph::parse_object(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!parsed) {
        return 0;
    }
    const json& e = *parsed->value;
    const auto body = restore::new_event(e, "transaction");
    if (!body.is_object() || body.value("transactionId", "") != "transaction") {
        std::abort();
    }
    if (body.contains("attendees")) {
        std::abort();  // the service would mail them at once
    }
    (void)restore::exception_changes(e, e.value("series", json::object()));
    for (const auto& a : restore::attachments_of(e)) {
        if (a.name.find('\0') != std::string::npos && a.size < 0) {
            std::abort();
        }
    }
    (void)restore::event_fingerprint(e);
    for (const auto* format : {&restore::contact_format(), &restore::task_format()}) {
        const auto record = format->body_of(e);
        if (!record.is_object() || !restore::is_kept(record, record)) {
            std::abort();
        }
        (void)format->identity_of(record);
        (void)restore::record_key(record);
    }
    const auto message = restore::parse_remote_message(e, "id");
    if (message && (!restore::is_same_message(*message, *message) ||
                    !restore::difference(*message, *message, true).empty())) {
        std::abort();
    }
    return 0;
}
