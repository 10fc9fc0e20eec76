#include "config/schema_check.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "config/config.hpp"

namespace m365stage::config {
namespace {

using nlohmann::json;

/// The parsed schema, in the two forms that are needed.
struct compiled_schema {
    compiled_schema() : document(json::parse(schema_text())) {
        valijson::SchemaParser parser;
        parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(document), validator);
    }
    json document;
    valijson::Schema validator;
};

const compiled_schema& compiled() {
    static const compiled_schema schema;
    return schema;
}

/// The sub-schema with its $ref followed.
const json& resolve(const json& schema) {
    const auto ref = schema.find("$ref");
    if (ref == schema.end()) {
        return schema;
    }
    return compiled().document.at(json::json_pointer(ref->get<std::string>().substr(1)));
}

/// The sub-schema of a key or of a list's items; nullptr if the schema does not know it.
const json* child(const json& schema, const std::string& key) {
    const auto properties = schema.find("properties");
    if (properties != schema.end() && properties->contains(key)) {
        return &resolve(properties->at(key));
    }
    return nullptr;
}

const json* items_of(const json& schema) {
    const auto items = schema.find("items");
    return items == schema.end() ? nullptr : &resolve(*items);
}

bool has_type(const json& schema, std::string_view type) {
    const auto found = schema.find("type");
    if (found == schema.end()) {
        return false;
    }
    if (found->is_array()) {
        return std::find(found->begin(), found->end(), type) != found->end();
    }
    return *found == type;
}

json integer_of(const node& value) {
    std::string_view text = value.text;
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) {
        text.remove_prefix(1);
    }
    int base = 10;
    if (text.starts_with("0o") || text.starts_with("0x")) {
        base = text[1] == 'o' ? 8 : 16;
        text.remove_prefix(2);
    }
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (failure != std::errc()) {
        return negative ? -1e19 : 1e19;  // beyond 64 bits: out of every range that the schema allows
    }
    return negative ? -number : number;
}

json number_of(const node& value) {
    const std::string_view text = std::string_view(value.text).substr(value.text.starts_with('+') ? 1 : 0);
    double number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    return failure == std::errc() ? number : 1e300;
}

/// The document as JSON. `schema` (may be null) decides two things that YAML leaves open: an empty section is
/// a section without keys, and where a text is meant that looks like a number (x-text), it stays as it was
/// written.
json to_json(const node& value, const json* schema) {
    switch (value.type) {
        case node_type::null:
            return schema != nullptr && has_type(*schema, "object") ? json::object() : json();
        case node_type::boolean:
            return value.text.front() == 't' || value.text.front() == 'T';
        case node_type::integer:
            return schema != nullptr && schema->contains("x-text") ? json(value.text) : integer_of(value);
        case node_type::number:
            return number_of(value);
        case node_type::text:
            return value.text;
        case node_type::list: {
            json out = json::array();
            for (const node& item : value.items) {
                out.push_back(to_json(item, schema == nullptr ? nullptr : items_of(*schema)));
            }
            return out;
        }
        case node_type::map: {
            json out = json::object();
            for (const member& m : value.members) {
                out[m.key] = to_json(m.value, schema == nullptr ? nullptr : child(*schema, m.key));
            }
            return out;
        }
    }
    return json();
}

std::string join(const json& values) {
    std::string out;
    for (const json& v : values) {
        out += (out.empty() ? "" : ", ") + v.get<std::string>();
    }
    return out;
}

std::string expected(const json& schema) {
    if (schema.contains("x-expected")) {
        return schema.at("x-expected").get<std::string>();
    }
    if (schema.contains("enum")) {
        return "one of " + join(schema.at("enum"));
    }
    if (has_type(schema, "object")) {
        return "a mapping with some of " + [&] {
            json keys = json::array();
            for (const auto& [key, unused] : schema.at("properties").items()) {
                keys.push_back(key);
            }
            return join(keys);
        }();
    }
    if (has_type(schema, "boolean")) {
        return "true or false";
    }
    std::string out = has_type(schema, "integer")  ? "a whole number"
                      : has_type(schema, "number") ? "a number"
                                                   : "a text";
    if (schema.contains("minimum") && schema.contains("maximum")) {
        out += " from " + schema.at("minimum").dump() + " to " + schema.at("maximum").dump();
    }
    return out;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

/// The known key that was probably meant; empty if none is near.
std::string nearest(const std::string& key, const json& properties) {
    std::string best;
    std::size_t least = std::max<std::size_t>(2, key.size() / 3) + 1;
    for (const auto& [candidate, unused] : properties.items()) {
        const std::size_t distance = edit_distance(key.substr(0, 64), candidate);
        if (distance < least) {
            least = distance;
            best = candidate;
        }
    }
    return best;
}

/// Walks document and schema together and says in words what the validator found.
class explainer {
public:
    explainer(const std::set<std::vector<std::string>>& failed, problem_list& problems)
        : failed_(failed), problems_(problems) {}

    void explain(const node& value, const json& schema, const std::string& key) {
        const bool is_section = has_type(schema, "object");
        if (is_section && (value.type == node_type::map || value.type == node_type::null)) {
            explain_section(value, schema, key);
        } else if (has_type(schema, "array") && value.type == node_type::list &&
                   !explain_items(value, schema, key)) {
            if (failed_.contains(path_)) {
                problems_.add(value.line, key, "does not fit; expected " + expected(schema));
            }
        } else if (value.type != node_type::list || !has_type(schema, "array")) {
            explain_value(value, schema, key);
        }
    }

private:
    void explain_value(const node& value, const json& schema, const std::string& key) {
        if (failed_.contains(path_)) {
            // What was meant to be a file's name or an address may be the secret itself.
            const bool hidden = schema.contains("x-hidden") && value.type == node_type::text;
            const std::string what = hidden ? "the value does not fit" : describe_value(value);
            problems_.add(value.line, key, what + "; expected " + expected(schema));
        }
    }

    void explain_section(const node& value, const json& schema, const std::string& key) {
        const json& properties = schema.at("properties");
        for (const member& m : value.members) {
            const std::string full = key.empty() ? m.key : key + "." + m.key;
            const json* known = child(schema, m.key);
            if (known == nullptr) {
                problems_.add(m.line, full, unknown_key(m.key, properties));
                continue;
            }
            path_.push_back("[" + m.key + "]");
            explain(m.value, *known, full);
            path_.pop_back();
        }
        for (const json& required : schema.value("required", json::array())) {
            const std::string name = required.get<std::string>();
            if (value.find(name) == nullptr) {
                const bool top = key.empty();  // also of an empty file, whose only line is the first
                problems_.add(
                    top ? std::max(1, value.line) : value.line, top ? name : key + "." + name,
                    std::string("the key is missing") + (top ? " at the top level" : "") + "; expected " +
                        expected(*child(schema, name))
                );
            }
        }
    }

    /// True if an item was to blame.
    bool explain_items(const node& value, const json& schema, const std::string& key) {
        bool any = false;
        for (std::size_t i = 0; i < value.items.size(); ++i) {
            path_.push_back("[" + std::to_string(i) + "]");
            any = any || failed_.contains(path_);
            explain(value.items[i], *items_of(schema), key + "[" + std::to_string(i) + "]");
            path_.pop_back();
        }
        return any;
    }

    static std::string unknown_key(const std::string& key, const json& properties) {
        for (std::string_view secret : {"client_secret", "secret", "password", "certificate_password"}) {
            if (key == secret && properties.contains("client_secret_file")) {
                return "a secret must not be in this file; expected client_secret_file with the path of a "
                       "file that "
                       "only its owner can read (chmod 600)";
            }
        }
        if (key == "token" && properties.contains("token_file")) {
            return "a token must not be in this file; expected token_file with the path of a file that only "
                   "its owner "
                   "can read (chmod 600)";
        }
        const std::string guess = nearest(key, properties);
        std::string out = "unknown key " + quoted(key);
        if (!guess.empty()) {
            return out + "; expected a known key: did you mean " + guess + "?";
        }
        json keys = json::array();
        for (const auto& [name, unused] : properties.items()) {
            keys.push_back(name);
        }
        return out + "; expected one of " + join(keys);
    }

    const std::set<std::vector<std::string>>& failed_;
    problem_list& problems_;
    std::vector<std::string> path_{"<root>"};
};

}  // namespace

void check_schema(const node& document, problem_list& problems) {
    const compiled_schema& schema = compiled();
    const json data = to_json(document, &schema.document);
    valijson::ValidationResults results;
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    const valijson::adapters::NlohmannJsonAdapter adapter(data);
    if (validator.validate(schema.validator, adapter, &results)) {
        return;
    }
    std::set<std::vector<std::string>> failed;
    for (const auto& e : results) {
        failed.insert(e.context);
    }
    explainer(failed, problems).explain(document, schema.document, "");
}

}  // namespace m365stage::config
