#include "tree/sidecar.hpp"

#include <nlohmann/json.hpp>

#include "core/hash.hpp"

namespace m365stage::tree {
namespace {

using nlohmann::json;
constexpr int schema_version = 1;

std::string text_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string dump_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? std::string() : found->dump();
}

/// SHA-256 of the object without its own check sum, in compact form.
std::string checksum_of(const json& object) {
    return core::to_hex(core::sha256::of(object.dump(-1, ' ', false, json::error_handler_t::replace)));
}

core::error damaged(std::string why) {
    core::error e(core::error_kind::protocol, std::move(why));
    e.operation = "read sidecar";
    return e;
}

}  // namespace

std::string render(const sidecar& s) {
    // nlohmann's objects are sorted maps, so the order of insertion does not show.
    json out{
        {"m365stage", schema_version}, {"kind", s.kind}, {"type", s.type}, {"id", s.id}, {"name", s.name}
    };
    if (!s.parent_id.empty()) {
        out["parent_id"] = s.parent_id;
    }
    if (!s.item.empty()) {
        out["item"] = json::parse(s.item);
    }
    if (!s.owner.empty()) {
        out["owner"] = json::parse(s.owner);
    }
    if (!s.root_id.empty()) {
        out["root_id"] = s.root_id;
    }
    if (!s.permissions.empty()) {
        out["permissions"] = json::parse(s.permissions);
    }
    if (s.size) {
        out["staged"] = {{"size", *s.size}, {"sha256", s.sha256}};
        if (!s.verdict.empty()) {
            out["staged"]["verdict"] = s.verdict;
        }
    }
    out["checksum"] = checksum_of(out);
    return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

core::result<sidecar> parse_sidecar(std::string_view text) {
    auto object = json::parse(text, nullptr, false);
    if (!object.is_object()) {
        return damaged("it is not a JSON object");
    }
    if (const auto sum = text_of(object, "checksum"); !sum.empty()) {
        object.erase("checksum");
        if (sum != checksum_of(object)) {
            return damaged("its check sum does not match");
        }
    }
    const auto version = object.find("m365stage");
    if (version == object.end() || *version != schema_version) {
        return damaged("it has no known version");
    }
    sidecar s;
    s.kind = text_of(object, "kind");
    s.type = text_of(object, "type");
    s.id = text_of(object, "id");
    s.parent_id = text_of(object, "parent_id");
    s.name = text_of(object, "name");
    s.item = dump_of(object, "item");
    s.owner = dump_of(object, "owner");
    s.root_id = text_of(object, "root_id");
    s.permissions = dump_of(object, "permissions");
    if (s.kind.empty() || s.type.empty() || s.id.empty()) {
        return damaged("kind, type or id is missing");
    }
    const auto staged = object.find("staged");
    if (staged != object.end()) {
        const auto size = staged->is_object() ? staged->find("size") : staged->end();
        s.sha256 = staged->is_object() ? text_of(*staged, "sha256") : std::string();
        if (!staged->is_object() || size == staged->end() || !size->is_number_integer() ||
            s.sha256.size() != 64) {
            return damaged("'staged' has no size or sha256");
        }
        s.size = size->get<std::int64_t>();
        s.verdict = text_of(*staged, "verdict");
    } else if (s.type == "file") {
        return damaged("'staged' is missing");
    }
    return s;
}

core::result<sidecar> parse_sidecar_strictly(std::string_view text) {
    auto s = parse_sidecar(text);
    if (s && render(*s) != text) {
        return damaged("it is not as it was written");
    }
    return s;
}

core::result<std::string> canonical(std::string_view text) {
    const auto value = json::parse(text, nullptr, false);
    if (value.is_discarded()) {
        return damaged("it is not JSON");
    }
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace m365stage::tree
