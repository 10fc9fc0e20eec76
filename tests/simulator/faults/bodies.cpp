// Faults that spoil the text of a good answer.
#include <nlohmann/json.hpp>

#include "kinds.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

void truncated_json(const json& p, const request&, response& out) {
    if (!out.file && !out.body.empty()) {
        auto keep = static_cast<std::size_t>(static_cast<double>(out.body.size()) * p.value("keep", 0.5));
        out.body.resize(keep);
    }
}

/// Puts text that no JSON parser should take, or that is no good Unicode, into the first string of the body.
void malformed_json(const json& p, const request&, response& out) {
    std::string form = p.value("form", "syntax");
    auto at = out.body.find("\"name\":\"");
    at = at == out.body.npos ? out.body.find(":\"") : at + 6;
    if (out.file || at == out.body.npos) {
        return;
    }
    if (form == "lone_surrogate") {
        out.body.insert(at + 2, "\\ud83d");
    } else if (form == "control") {
        out.body.insert(at + 2, "\x01\x02");
    } else if (form == "utf8") {
        out.body.insert(at + 2, "\xc3\x28\xff");
    } else {
        out.body.insert(at + 1, "}");
    }
}

}  // namespace

void add_body_faults(std::vector<fault_kind>& out) {
    out.push_back(
        {"truncated_json",
         "the JSON ends in the middle, Content-Length fits",
         fault_stage::after,
         {{"keep", "share of the body that is kept, 0.5"}},
         truncated_json}
    );
    out.push_back(
        {"malformed_json",
         "the body is no JSON, or no Unicode",
         fault_stage::after,
         {{"form", "syntax, lone_surrogate, control or utf8"}},
         malformed_json}
    );
}

}  // namespace m365stage::sim
