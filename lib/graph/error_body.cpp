#include "graph/error_body.hpp"

#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "graph/json.hpp"

namespace m365stage::graph {
namespace {

using nlohmann::json;

const json* member(const json& object, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        if (auto at = object.find(name); at != object.end()) {
            return &*at;
        }
    }
    return nullptr;
}

std::string text_of(const json& object, std::initializer_list<const char*> names) {
    const json* at = member(object, names);
    if (at == nullptr) {
        return {};
    }
    if (at->is_string()) {
        return at->get<std::string>();
    }
    // OneNote's codes are numbers in some answers; OData v2 wraps messages: {"lang":..,"value":..}.
    if (at->is_number_integer()) {
        return at->dump();
    }
    return at->is_object() ? text_of(*at, {"value"}) : std::string();
}

void read_level(const json& level, error_body& out) {
    if (std::string code = text_of(level, {"code"}); !code.empty()) {
        out.codes.push_back(code.substr(0, 200));
    }
    std::string message = text_of(level, {"message", "error_description"});
    if (!message.empty()) {
        message.resize(std::min<std::size_t>(message.size(), 4096));
        out.all_messages += core::lowered(message) + "\n";
        if (out.message.empty()) {
            out.message = std::move(message);
        }
    }
    if (std::string id = text_of(level, {"request-id"}); !id.empty() && out.request_id.empty()) {
        out.request_id = id.substr(0, 100);
    }
}

void read_chain(const json& error, error_body& out) {
    const json* level = &error;
    for (int depth = 0; level != nullptr && level->is_object() && depth < 16; ++depth) {
        read_level(*level, out);
        if (const json* details = member(*level, {"details"}); details != nullptr && details->is_array()) {
            for (std::size_t i = 0; i < std::min<std::size_t>(details->size(), 8); ++i) {
                if ((*details)[i].is_object()) {
                    read_level((*details)[i], out);
                }
            }
        }
        level = member(*level, {"innerError", "innererror", "InnerError"});
    }
}

}  // namespace

error_body read_error_body(std::string_view body) {
    error_body out;
    out.empty = body.find_first_not_of(" \t\r\n\0") == std::string_view::npos;
    if (out.empty) {
        return out;
    }
    auto parsed = parse_object(body.substr(0, 1u << 20));
    if (!parsed) {
        // What is not JSON still carries the words that some decisions need.
        out.all_messages = core::lowered(body.substr(0, 4096));
        return out;
    }
    out.json = true;
    const json& root = *parsed->value;
    const json* error = member(root, {"error", "odata.error", "Error"});
    if (error == nullptr) {
        read_chain(root, out);
    } else if (error->is_string()) {
        out.codes.push_back(error->get<std::string>().substr(0, 200));
        read_level(root, out);
    } else {
        read_chain(*error, out);
    }
    return out;
}

}  // namespace m365stage::graph
