#include "sources/task_item.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

constexpr std::array task_kept{
    "body",           "categories",   "completedDateTime", "createdDateTime",  "dueDateTime",   "importance",
    "hasAttachments", "isReminderOn", "recurrence",        "reminderDateTime", "startDateTime", "status",
    "title",
};

/// A value as text inside a document whose lines begin with `depth` blanks.
std::string indented(const json& value, int depth) {
    const auto text = value.dump(2, ' ', false, json::error_handler_t::replace);
    std::string out;
    for (const char c : text) {
        out += c;
        if (c == '\n') {
            out.append(static_cast<std::size_t>(depth), ' ');
        }
    }
    return out;
}

}  // namespace

std::optional<index::item_change> parse_task_list(const json& element) {
    const auto known = text(element, "wellknownListName");
    if (known == "flaggedEmails") {
        return std::nullopt;  // mirrors mail, which is staged as such
    }
    json meta = json::object();
    if (!known.empty()) {
        meta["wellknownListName"] = known;
    }
    return parse_record_folder(element, todo_root, meta);
}

bool is_sparse_task(const json& element) {
    return element.is_object() && !is_removed(element) &&
           !(element.contains("title") && element.contains("status") && element.contains("createdDateTime"));
}

std::string task_content_key(const json& meta) {
    return "task " + core::short_tag(canonical(meta));
}

json task_facts(const json& element) {
    json meta = chosen(element, task_kept);
    drop_empty(meta);
    return meta;
}

std::optional<index::item_change> parse_task(const json& element, const std::string& list) {
    const auto meta = task_facts(element);
    auto c = parse_record(element, meta);
    if (!c || c->removed) {
        return c;
    }
    c->parent_remote_id = list;
    c->name = record_file_name(text(meta, "title"), c->remote_id, ".json");
    c->hash = task_content_key(meta);
    return c;
}

json task_parts(const json& elements, std::initializer_list<const char*> members) {
    std::vector<json> out;
    for (const auto& element : elements) {
        out.push_back(chosen(element, members));
    }
    std::sort(out.begin(), out.end(), [](const json& a, const json& b) {
        const auto key = [](const json& part) {
            return text(part, "createdDateTime") + "\n" + canonical(part);
        };
        return key(a) < key(b);
    });
    return out;
}

std::string task_document(const json& meta, const json& checklist, const json& links) {
    return "{\n  \"task\": " + indented(meta, 2) + ",\n  \"checklistItems\": " + indented(checklist, 2) +
           ",\n  \"linkedResources\": " + indented(links, 2) + ",\n  \"attachments\": [";
}

std::string task_attachment(const json& element, bool first) {
    constexpr std::array told{"@odata.type", "contentType", "name", "size"};
    json one = chosen(element, told);
    if (one.empty()) {
        one["name"] = "";
    }
    auto text = indented(one, 4);
    text.erase(text.rfind('\n'));
    return (first ? "\n    " : ",\n    ") + text;
}

}  // namespace m365stage::sources
