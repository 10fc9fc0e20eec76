// Any bytes as a page of a drive's feed: each element is passed over or becomes a change that keeps its
// promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "graph/json.hpp"
#include "sources/drive_item.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage;
    const auto page = graph::parse_object(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!page) {
        return 0;
    }
    const auto value = page->value->find("value");
    if (value == page->value->end() || !value->is_array()) {
        return 0;
    }
    for (const auto& element : *value) {
        const auto c = sources::parse_drive_item(element);
        if (!c) {
            continue;
        }
        if (c->remote_id.empty() || c->size < 0) {
            std::abort();
        }
        if (!c->removed && !nlohmann::json::accept(c->meta)) {
            std::abort();
        }
        if (!c->removed && sources::drive_item_mark(nlohmann::json::parse(c->meta)) != c->mark) {
            std::abort();
        }
        (void)sources::own_permissions(element);
    }
    return 0;
}
