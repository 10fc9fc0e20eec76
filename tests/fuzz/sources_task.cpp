// Any bytes as a task, a task list or the settings of a mailbox: passed over, or a change whose file is JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "graph/json.hpp"
#include "sources/settings_item.hpp"
#include "sources/task_item.hpp"

namespace {

using nlohmann::json;

void require(bool good) {
    if (!good) {
        std::abort();
    }
}

/// What stands before the attachments, with none behind it.
void check_document(const json& meta, const json& parts) {
    using namespace m365stage::sources;
    const auto checklist = task_parts(parts, {"displayName", "isChecked"});
    const auto links = task_parts(parts, {"webUrl", "displayName"});
    const auto begin = task_document(meta, checklist, links);
    require(!begin.empty() && begin.front() == '{');
    require(!task_attachment(parts, true).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage;
    const auto element = graph::parse_object(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!element) {
        return 0;
    }
    const auto& e = *element->value;
    if (const auto c = sources::parse_task(e, "list"); c && !c->removed) {
        require(!c->remote_id.empty() && c->name.find('/') == std::string::npos && c->name.size() <= 255);
        const auto meta = json::parse(c->meta);
        require(sources::task_content_key(meta) == c->hash);
        check_document(meta, e.value("checklistItems", json::array()));
    }
    (void)sources::is_sparse_task(e);
    if (const auto c = sources::parse_task_list(e); c && !c->removed) {
        require(!c->remote_id.empty());
    }
    const auto settings = sources::settings_element(
        e.value("settings", json()), e.value("rules", json()), e.value("categories", json())
    );
    if (const auto c = sources::parse_settings(settings)) {
        const auto meta = json::parse(c->meta);
        require(sources::settings_content_key(meta) == c->hash);
        require(json::accept(sources::settings_document(meta)));
    }
    return 0;
}
