#include "sources/fields.hpp"

#include <nlohmann/json.hpp>

#include "http/http.hpp"

namespace m365stage::sources {

using nlohmann::json;

bool is_true(const json& object, std::string_view key) {
    const auto* value = member(object, key);
    return value != nullptr && *value == true;
}

bool is_removed(const json& element) {
    return member(element, "@removed") != nullptr;
}

bool is_removed(const graph::flat_value& element) {
    return static_cast<bool>(element.member("@removed"));
}

json chosen(const json& object, std::span<const char* const> names) {
    json out = json::object();
    for (const char* key : names) {
        if (const auto* value = member(object, key)) {
            out[key] = *value;
        }
    }
    return out;
}

std::string selection(std::string first, std::span<const char* const> names) {
    for (const char* key : names) {
        first += (first.empty() ? "" : ",") + std::string(key);
    }
    return first;
}

std::string canonical(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

graph::page page_of(json element) {
    graph::page out;
    out.value = std::make_unique<json>(json::array());
    out.value->push_back(std::move(element));
    return out;
}

async::task<core::result<graph::page>> single_page(graph::client& graph, graph::call call) {
    auto answer = co_await graph.get_json(std::move(call));
    if (!answer) {
        co_return answer.error();
    }
    co_return page_of(std::move(*answer));
}

std::string segment(std::string_view id) {
    std::string out;
    for (char c : id) {
        out += (c == '!' || c == ',') ? std::string(1, c) : http::percent_encode(std::string_view(&c, 1));
    }
    return out;
}

}  // namespace m365stage::sources
