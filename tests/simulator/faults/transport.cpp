// Faults of the connection.
#include <nlohmann/json.hpp>

#include "kinds.hpp"

namespace m365stage::sim {

using nlohmann::json;

void add_transport_faults(std::vector<fault_kind>& out) {
    auto add = [&](const char* name, const char* meaning, std::vector<fault_parameter> parameters, auto apply
               ) { out.push_back({name, meaning, fault_stage::after, std::move(parameters), apply}); };
    add("reset", "the connection is reset after so many bytes of the body", {{"after_bytes", "0"}},
        [](const json& p, const request&, response& r) {
            r.spoilt().reset_after = p.value("after_bytes", std::int64_t{0});
        });
    add("stall", "the body stops after so many bytes and nothing comes any more",
        {{"after_bytes", "0"}, {"stall_ms", "then the connection is closed; 1 hour"}},
        [](const json& p, const request&, response& r) {
            r.spoilt().stall_after = p.value("after_bytes", std::int64_t{0});
            r.spoilt().stall_ms = p.value("stall_ms", std::int64_t{3600000});
        });
    add("trickle", "the body comes in small pieces", {{"bytes", "1024"}, {"every_ms", "10"}},
        [](const json& p, const request&, response& r) {
            r.spoilt().trickle_bytes = p.value("bytes", std::int64_t{1024});
            r.spoilt().trickle_ms = p.value("every_ms", std::int64_t{10});
        });
    add("short_body", "the right Content-Length, but the connection is closed earlier",
        {{"bytes", "how many come, 0"}}, [](const json& p, const request&, response& r) {
            r.spoilt().close_after = p.value("bytes", std::int64_t{0});
        });
    add("wrong_length", "a Content-Length that differs from the body by `by`", {{"by", "-1"}},
        [](const json& p, const request&, response& r) {
            std::int64_t size = r.file ? r.file_length : static_cast<std::int64_t>(r.body.size());
            r.spoilt().declared_length = std::max<std::int64_t>(0, size + p.value("by", std::int64_t{-1}));
        });
    add("delay", "the answer comes late by delay_ms", {}, [](const json&, const request&, response&) {});
}

}  // namespace m365stage::sim
