#include "sources/outlook.hpp"

#include <nlohmann/json.hpp>

#include "sources/fields.hpp"

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

std::string mailbox_address(const std::string& owner_kind, const std::string& owner_id) {
    return (owner_kind == "group" ? "/v1.0/groups/" : "/v1.0/users/") + segment(owner_id);
}

bool means_no_mailbox(const core::error& e) {
    return e.kind == error_kind::not_found || e.kind == error_kind::unsupported ||
           e.kind == error_kind::bad_request;
}

bool is_mailboxs_state(const core::error& e) {
    return e.kind == error_kind::forbidden || e.kind == error_kind::locked;
}

std::string reason_of(const core::error& e) {
    return e.code.empty() ? e.cause : e.code + ": " + e.cause;
}

bool is_delta_refused(const core::error& e) {
    return e.code == "ErrorQuotaExceeded" ||
           e.cause.find("Change tracking is not supported") != std::string::npos ||
           e.cause.find("'DeltaToken' not supported") != std::string::npos;
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
