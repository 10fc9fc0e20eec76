#include "sources/outlook.hpp"

#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "graph/errors.hpp"
#include "sources/fields.hpp"
#include "tree/names.hpp"

namespace m365stage::sources {

using core::error_kind;
using nlohmann::json;

namespace {

constexpr const char* root_mark = "m365stage.root";

}  // namespace

graph::call mailbox_call(std::string owner_id, std::string target, std::string object, unsigned page_size) {
    graph::call c;
    c.target = std::move(target);
    c.where = graph::scope(graph::service::outlook, std::move(owner_id));
    c.object = std::move(object);
    std::string prefer = "IdType=\"ImmutableId\"";
    if (page_size > 0) {
        prefer += ", odata.maxpagesize=" + std::to_string(page_size);
    }
    c.fields.set("Prefer", prefer);
    return c;
}

graph::call page_of_items(graph::call call, bool usual_size) {
    constexpr unsigned some = 4, few = 2;
    call.max_attempts = usual_size ? some : few;
    return call;
}

std::string items_from(
    const std::string& list, std::string_view members, std::uint64_t position, unsigned page_size
) {
    return list + "?" + (members.empty() ? "" : "$select=" + std::string(members) + "&") +
           "$top=" + std::to_string(page_size) + "&$skip=" + std::to_string(position);
}

std::string mailbox_address(const std::string& owner_kind, const std::string& owner_id) {
    return (owner_kind == "group" ? "/v1.0/groups/" : "/v1.0/users/") + segment(owner_id);
}

bool means_no_mailbox(const core::error& e) {
    return e.kind == error_kind::not_found || e.kind == error_kind::unsupported ||
           e.kind == error_kind::bad_request;
}

bool is_not_offered(const core::error& e) {
    return means_no_mailbox(e);
}

bool is_mailboxs_state(const core::error& e) {
    return e.kind == error_kind::forbidden || e.kind == error_kind::locked;
}

bool is_delta_refused(const core::error& e, bool first) {
    const bool bad_request = e.kind == error_kind::bad_request && graph::is_clear(e);
    return e.code == "ErrorQuotaExceeded" || (first && (e.kind == error_kind::unsupported || bad_request)) ||
           (first && e.cause.find("segment 'delta'") != std::string::npos) ||
           e.cause.find("Change tracking is not supported") != std::string::npos ||
           e.cause.find("'DeltaToken' not supported") != std::string::npos ||
           e.cause.find("for the segment 'delta'") != std::string::npos || e.http_status == 501;
}

index::found_container mailbox_container(const owner& o, std::string_view kind, std::string_view name) {
    index::found_container f;
    f.key = o.path + "/" + std::string(kind);
    f.kind = std::string(kind);
    f.owner_kind = o.kind;
    f.owner_id = o.id;
    f.owner_name = o.name;
    f.remote_id = o.id;
    f.name = std::string(name);
    return f;
}

json root_element(const std::string& id) {
    return json{{"id", id}, {root_mark, true}};
}

bool is_root_element(const json& element) {
    return is_true(element, root_mark);
}

task<core::result<owner_listing>> list_mailbox(
    graph::client& graph, owner o, std::string kind, std::string name, graph::call probe
) {
    owner_listing out;
    auto answer = co_await graph.get_json(std::move(probe));
    if (answer) {
        out.containers.push_back(mailbox_container(o, kind, name));
        co_return out;
    }
    const auto& e = answer.error();
    if (means_no_mailbox(e)) {
        co_return out;
    }
    if (!is_mailboxs_state(e)) {
        co_return e;
    }
    out.not_covered.push_back(kind + ": " + reason_of(e));
    out.complete = false;
    out.refused = e;
    co_return out;
}

task<core::result<owner_listing>> list_mailbox(
    graph::client& graph, owner o, std::string kind, std::string name, std::string probe
) {
    auto call = mailbox_call(o.id, mailbox_address(o.kind, o.id) + probe, o.path + "/" + kind);
    return list_mailbox(graph, std::move(o), std::move(kind), std::move(name), std::move(call));
}

std::optional<index::item_change> change_of(const json& element) {
    index::item_change c;
    c.remote_id = text(element, "id");
    if (c.remote_id.empty()) {
        return std::nullopt;
    }
    c.removed = is_removed(element);
    return c;
}

rendered_item as_listed(const source& s, const index::work_item& item) {
    const auto meta = json::parse(item.meta, nullptr, false);
    rendered_item made;
    made.meta = item.meta;
    made.mark = s.mark_of(meta);
    made.hash = s.hash_of(meta);
    return made;
}

std::optional<index::item_change> parse_record_folder(
    const json& element, std::string parent, const json& meta
) {
    auto c = change_of(element);
    if (!c || c->removed) {
        return c;
    }
    c->type = index::item_type::folder;
    c->parent_remote_id = std::move(parent);
    c->name = text(element, "displayName");
    if (c->parent_remote_id.empty() || c->parent_remote_id == c->remote_id) {
        return std::nullopt;
    }
    c->meta = c->mark = canonical(meta);
    return c;
}

std::optional<index::item_change> parse_record(const json& element, const json& meta) {
    auto c = change_of(element);
    if (!c || c->removed) {
        return c;
    }
    c->type = index::item_type::file;
    const auto modified = text(element, "lastModifiedDateTime");
    for (const auto& stamp : {modified, text(element, "createdDateTime")}) {
        if (const auto t = core::parse_timestamp(stamp)) {
            c->mtime = core::clamp_mtime(*t);
            break;
        }
    }
    auto version = text(element, "changeKey");
    version = version.empty() ? text(element, "@odata.etag") : version;
    c->etag = version.empty() && modified.empty() ? std::string() : version + " " + modified;
    c->etag_is_exact = !c->etag.empty();
    c->content = true;
    c->meta = c->mark = canonical(meta);
    return c;
}

void drop_empty(json& value) {
    if (!value.is_structured()) {
        return;
    }
    for (auto& inner : value) {
        drop_empty(inner);
    }
    const auto says_nothing = [](const json& v) {
        return v.is_null() || (v.is_string() && v.get_ref<const std::string&>().empty()) ||
               (v.is_structured() && v.empty());
    };
    for (auto at = value.begin(); value.is_object() && at != value.end();) {
        at = says_nothing(*at) ? value.erase(at) : std::next(at);
    }
}

std::string record_file_name(std::string_view title, std::string_view remote_id, std::string_view extension) {
    constexpr std::size_t longest_title = 120;
    constexpr std::size_t tag_length = 10;
    return tree::readable(title, longest_title, "no name") + "_" + core::short_tag(remote_id, tag_length) +
           std::string(extension);
}

index::item_change root_change(const json& element) {
    index::item_change c;
    c.remote_id = text(element, "id");
    c.root = true;
    c.type = index::item_type::folder;
    c.name = "root";
    c.meta = c.mark = "{}";
    return c;
}

}  // namespace m365stage::sources
