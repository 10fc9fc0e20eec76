#include "tree/sidecar.hpp"

#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "core/members.hpp"

namespace m365stage::tree {
namespace {

using nlohmann::json;
constexpr int schema_version = 1;

std::string dump_of(const json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? std::string() : found->dump();
}

/// SHA-256 of the object without its own check sum, in compact form.
std::string checksum_of(const json& object) {
    return core::to_hex(core::sha256::of(object.dump(-1, ' ', false, json::error_handler_t::replace)));
}

std::string quoted(const std::string& text) {
    return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

/// The members but for the check sum, in compact form and sorted. Written down directly: a tree of JSON
/// values for each sidecar would be a fifth of the work of a first pass.
std::string members_of(const sidecar& s) {
    std::string out;
    auto add = [&out](std::string_view key, std::string_view value) {
        if (value.empty()) {
            return;
        }
        out.append(out.empty() ? "\"" : ",\"").append(key).append("\":").append(value);
    };
    auto add_text = [&add](std::string_view key, const std::string& value) {
        add(key, value.empty() ? std::string() : quoted(value));
    };
    add("columns", s.columns);
    add("id", quoted(s.id));
    add("item", s.item);
    add("kind", quoted(s.kind));
    add("m365stage", std::to_string(schema_version));
    add("name", quoted(s.name));
    add("owner", s.owner);
    add_text("parent_id", s.parent_id);
    add("permissions", s.permissions);
    add_text("root_id", s.root_id);
    if (s.size) {
        std::string staged = "{\"sha256\":\"" + s.sha256 + "\",\"size\":" + std::to_string(*s.size);
        if (!s.verdict.empty()) {
            staged += ",\"verdict\":" + quoted(s.verdict);
        }
        add("staged", staged + "}");
    }
    add("type", quoted(s.type));
    return out;
}

/// Compact JSON with line breaks and two blanks for each level, as json::dump(2) writes it.
std::string indented(std::string_view compact) {
    std::string out;
    out.reserve(compact.size() * 2);
    std::size_t level = 0;
    auto new_line = [&] { out.append(1, '\n').append(2 * level, ' '); };
    for (std::size_t i = 0; i < compact.size(); ++i) {
        const char c = compact[i];
        if (c == '"') {
            auto end = i + 1;
            while (compact[end] != '"') {
                end += compact[end] == '\\' ? 2 : 1;
            }
            out.append(compact.substr(i, end + 1 - i));
            i = end;
        } else if (c == '{' || c == '[') {
            out += c;
            if (compact[i + 1] == '}' || compact[i + 1] == ']') {
                out += compact[++i];
            } else {
                ++level;
                new_line();
            }
        } else if (c == '}' || c == ']') {
            --level;
            new_line();
            out += c;
        } else {
            out += c;
            if (c == ',') {
                new_line();
            } else if (c == ':') {
                out += ' ';
            }
        }
    }
    return out;
}

core::error damaged(std::string why) {
    core::error e(core::error_kind::protocol, std::move(why));
    e.operation = "read sidecar";
    return e;
}

}  // namespace

std::string render(const sidecar& s) {
    auto body = members_of(s);
    const auto checksum = core::to_hex(core::sha256::of("{" + body + "}"));
    return indented("{\"checksum\":\"" + checksum + "\"," + body + "}") + "\n";
}

core::result<sidecar> parse_sidecar(std::string_view text) {
    auto object = json::parse(text, nullptr, false);
    if (!object.is_object()) {
        return damaged("it is not a JSON object");
    }
    if (const auto sum = core::text(object, "checksum"); !sum.empty()) {
        object.erase("checksum");
        if (sum != checksum_of(object)) {
            return damaged("its checksum does not match");
        }
    }
    const auto version = object.find("m365stage");
    if (version == object.end() || *version != schema_version) {
        return damaged("it has no known version");
    }
    sidecar s;
    s.kind = core::text(object, "kind");
    s.type = core::text(object, "type");
    s.id = core::text(object, "id");
    s.parent_id = core::text(object, "parent_id");
    s.name = core::text(object, "name");
    s.item = dump_of(object, "item");
    s.owner = dump_of(object, "owner");
    s.root_id = core::text(object, "root_id");
    s.permissions = dump_of(object, "permissions");
    s.columns = dump_of(object, "columns");
    if (s.kind.empty() || s.type.empty() || s.id.empty()) {
        return damaged("kind, type or id is missing");
    }
    const auto staged = object.find("staged");
    if (staged != object.end()) {
        const auto size = staged->is_object() ? staged->find("size") : staged->end();
        s.sha256 = staged->is_object() ? core::text(*staged, "sha256") : std::string();
        if (!staged->is_object() || size == staged->end() || !size->is_number_integer() ||
            s.sha256.size() != 64) {
            return damaged("'staged' has no size or sha256");
        }
        s.size = size->get<std::int64_t>();
        s.verdict = core::text(*staged, "verdict");
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
