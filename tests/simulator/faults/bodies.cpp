// Faults that spoil the text of a good answer.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "../../support/gzip.hpp"
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

/// The elements of a list; null if it is none.
json* elements_of(json& body) {
    const auto value = body.is_object() ? body.find("value") : body.end();
    return body.is_object() && value != body.end() && value->is_array() ? &*value : nullptr;
}

/// Changes the elements of a list, if the answer is one.
template <typename Change>
void change_list(response& out, Change change) {
    if (out.file || out.status != 200) {
        return;
    }
    json body = json::parse(out.body, nullptr, false);
    if (json* list = elements_of(body)) {
        change(*list);
        out.body = dump(body);
    }
}

void null_removed(const json&, const request&, response& out) {
    change_list(out, [](json& list) {
        for (auto& one : list) {
            if (one.is_object()) {
                one.emplace("@removed", nullptr);
            }
        }
    });
}

/// Of users and groups: again what of it is a member's, or nothing else (Q106).
void told_in_part(const json& p, const request& r, response& out) {
    const auto end = r.path.substr(0, r.path.find("/delta"));
    if (!end.ends_with("/users") && !end.ends_with("/groups")) {
        return;
    }
    const bool alone = p.value("form", "again") == "alone";
    change_list(out, [&](json& list) {
        json parts = json::array();
        for (const auto& one : list) {
            if (one.is_object() && one.contains("id") && !one.contains("@removed")) {
                parts.push_back({{"id", one["id"]}, {"members@delta", json::array({{{"id", "a-member"}}})}});
            } else if (alone) {
                parts.push_back(one);
            }
        }
        if (alone) {
            list = std::move(parts);
        } else {
            list.insert(list.end(), parts.begin(), parts.end());
        }
    });
}

/// Changes members of an answer that is an object.
void set_members(const json& p, const request&, response& out) {
    json body = out.file ? json() : json::parse(out.body, nullptr, false);
    if (!body.is_object()) {
        return;
    }
    if (const auto set = p.find("set"); set != p.end()) {
        body.update(*set);
    }
    if (const auto drop = p.find("drop"); drop != p.end()) {
        for (const auto& name : *drop) {
            body.erase(name.get<std::string>());
        }
    }
    out.body = dump(body);
}

/// Compresses what was asked for as it is.
void compressed(const json&, const request&, response& out) {
    if (out.status != 200 && out.status != 206) {
        return;
    }
    if (out.file) {
        out.body.resize(static_cast<std::size_t>(out.file_length));
        out.body.resize(
            out.file->read(static_cast<std::uint64_t>(out.file_offset), out.body.data(), out.body.size())
        );
        out.file.reset();
    }
    out.body = m365stage::test::gzipped(out.body);
    out.set("Content-Encoding", "gzip");
}

bool is_object(const json& value) {
    return value.is_object();
}

bool is_names(const json& value) {
    return value.is_array() &&
           std::all_of(value.begin(), value.end(), [](const json& v) { return v.is_string(); });
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
    const auto add = [&](const char* name, const char* meaning, std::vector<fault_parameter> parameters,
                         auto apply) {
        out.push_back({name, meaning, fault_stage::after, std::move(parameters), apply});
    };
    add("null_removed", "'@removed': null in what is there", {}, null_removed);
    add("told_in_part", "users and groups by id and members (Q106)",
        {{"form", "again, behind the whole ones, or alone"}}, told_in_part);
    add("set_members", "members of the JSON object are others, or not there",
        {{"set", "members", is_object}, {"drop", "names", is_names}}, set_members);
    add("compressed", "gzip although identity was asked for", {}, compressed);
}

}  // namespace m365stage::sim
