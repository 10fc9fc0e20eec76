#include <nlohmann/json.hpp>

#include "sources/drive_item.hpp"
#include "sources/source.hpp"
#include "tree/names.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

std::string text(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// An id as one path segment. '!' and ',' of drive and site ids stay: they are allowed there and every log
/// shows them so.
std::string segment(std::string_view id) {
    std::string out;
    for (char c : id) {
        out += (c == '!' || c == ',') ? std::string(1, c) : http::percent_encode(std::string_view(&c, 1));
    }
    return out;
}

/// Caches and holds that SharePoint keeps in a personal site; nobody's documents (contract 5.1).
bool is_service_library(const std::string& name) {
    return name == "PersonalCacheLibrary" || name == "Preservation Hold Library" ||
           name == "PreservationHoldLibrary";
}

/// The answers that mean "this user has no OneDrive" (contract 2.6, Q97).
bool means_no_drive(const core::error& e) {
    const bool plain = e.kind == core::error_kind::not_found || e.kind == core::error_kind::bad_request;
    const bool mysite =
        e.cause.find("mysite") != std::string::npos || e.cause.find("SPO license") != std::string::npos;
    return plain || mysite;
}

std::string not_covered_reason(const core::error& e) {
    return e.code.empty() ? e.cause : e.code + ": " + e.cause;
}

/// True if the failure is this owner's alone and lasting: to be reported as not covered, not as a failed
/// pass.
bool is_owners_state(const core::error& e) {
    return e.kind == core::error_kind::locked || e.kind == core::error_kind::forbidden ||
           e.kind == core::error_kind::not_found || e.kind == core::error_kind::bad_request ||
           e.kind == core::error_kind::unsupported;
}

graph::call sharepoint_call(std::string target, unsigned units, std::string object) {
    graph::call c;
    c.target = std::move(target);
    c.where = graph::scope(graph::service::sharepoint);
    c.resource_units = units;
    c.object = std::move(object);
    return c;
}

class drive_source final : public source {
public:
    std::string_view kind() const override { return "drive"; }

    bool serves(std::string_view owner_kind) const override {
        return owner_kind == "user" || owner_kind == "group" || owner_kind == "site";
    }

    task<core::result<owner_listing>> list(graph::client& graph, const owner& o) override {
        if (o.kind == "site") {
            return list_site(graph, o);
        }
        return list_account(graph, o);
    }

    std::string shape() const override { return "drive/1 top=200 hierarchicalsharing,deltashow*"; }

    graph::call first_page(const index::container& c) const override {
        // Always from the root: a folder's own delta is not to be trusted (contract 5.2).
        auto call = sharepoint_call(
            "/v1.0/drives/" + segment(c.remote_id) + "/root/delta?$top=200", graph::units::query, c.key
        );
        prefer(call);
        return call;
    }

    graph::call next_page(const index::container& c, const std::string& link) const override {
        auto call = sharepoint_call(link, graph::units::delta_with_token, c.key);
        prefer(call);
        return call;
    }

    std::optional<index::item_change> parse_item(const json& element) const override {
        return parse_drive_item(element);
    }

    std::string mark_of(const json& meta) const override { return drive_item_mark(meta); }

    graph::call item_call(const index::container& c, const std::string& remote_id) const override {
        return sharepoint_call(item_address(c, remote_id), graph::units::single, c.key);
    }

    graph::call children_call(const index::container& c, const std::string& remote_id) const override {
        auto call =
            sharepoint_call(item_address(c, remote_id) + "/children?$top=500", graph::units::query, c.key);
        return call;
    }

    graph::call content_call(const index::container& c, const std::string& remote_id, const std::string& url)
        const override {
        return sharepoint_call(
            url.empty() ? item_address(c, remote_id) + "/content" : url, graph::units::download, c.key
        );
    }

    task<core::result<std::string>> read_permissions(
        graph::client& graph, const index::container& c, const std::string& remote_id
    ) override {
        json all = json::array();
        auto call =
            sharepoint_call(item_address(c, remote_id) + "/permissions", graph::units::permissions, c.key);
        constexpr int most_pages = 100;
        for (int page = 0; page < most_pages; ++page) {
            auto answer = co_await graph.get_page(call);
            if (!answer) {
                co_return answer.error();
            }
            for (auto& permission : own_permissions(*answer->value)) {
                all.push_back(std::move(permission));
            }
            if (answer->next_link.empty()) {
                break;
            }
            call.target = answer->next_link;
        }
        co_return all.dump(-1, ' ', false, json::error_handler_t::replace);
    }

    bool hash_is_quick_xor() const override { return true; }

private:
    static std::string item_address(const index::container& c, const std::string& remote_id) {
        return "/v1.0/drives/" + segment(c.remote_id) + "/items/" + segment(remote_id);
    }

    /// Contract 2.5: sharing told in the feed instead of one call for each item. Sent with every page, since
    /// the service does not say whether its links remember it.
    static void prefer(graph::call& call) {
        call.fields.set(
            "Prefer",
            "hierarchicalsharing, deltashowremovedasdeleted, deltatraversepermissiongaps, "
            "deltashowsharingchanges"
        );
    }

    static index::found_container found(const owner& o, const json& drive, std::string key) {
        index::found_container f;
        f.key = std::move(key);
        f.kind = "drive";
        f.owner_kind = o.kind;
        f.owner_id = o.id;
        f.owner_name = o.name;
        f.remote_id = text(drive, "id");
        f.name = text(drive, "name");
        return f;
    }

    /// A user or group: the default drive, and what else the personal site has (the list can omit the default
    /// one).
    task<core::result<owner_listing>> list_account(graph::client& graph, const owner& o) {
        const std::string base = (o.kind == "user" ? "/v1.0/users/" : "/v1.0/groups/") + segment(o.id);
        const std::string default_name = o.kind == "user" ? "onedrive" : "files";
        owner_listing out;
        auto main = co_await graph.get_json(sharepoint_call(base + "/drive", graph::units::single, o.path));
        if (!main) {
            const auto& e = main.error();
            if (means_no_drive(e)) {
                co_return out;
            }
            if (!is_owners_state(e)) {
                co_return e;
            }
            out.not_covered = not_covered_reason(e);
            co_return out;
        }
        const auto main_id = text(*main, "id");
        if (!main_id.empty()) {
            out.containers.push_back(found(o, *main, o.path + "/" + default_name));
        }
        auto list = co_await all_drives(graph, base, o);
        if (!list) {
            // The main drive is known; the list alone failing is no reason to leave it out.
            co_return core::is_transient(list.error().kind) ? core::result<owner_listing>(list.error())
                                                            : core::result<owner_listing>(std::move(out));
        }
        for (const auto& drive : *list) {
            if (text(drive, "id") != main_id && !is_service_library(text(drive, "name"))) {
                const auto name = tree::local_name(text(drive, "name"), text(drive, "id"));
                out.containers.push_back(found(o, drive, o.path + "/drives/" + name));
            }
        }
        co_return out;
    }

    task<core::result<owner_listing>> list_site(graph::client& graph, const owner& o) {
        owner_listing out;
        auto list = co_await all_drives(graph, "/v1.0/sites/" + segment(o.id), o);
        if (!list) {
            const auto& e = list.error();
            if (!is_owners_state(e)) {
                co_return e;
            }
            out.not_covered = not_covered_reason(e);
            co_return out;
        }
        for (const auto& drive : *list) {
            if (!is_service_library(text(drive, "name"))) {
                const auto name = tree::local_name(text(drive, "name"), text(drive, "id"));
                out.containers.push_back(found(o, drive, o.path + "/libraries/" + name));
            }
        }
        co_return out;
    }

    static task<core::result<std::vector<json>>> all_drives(
        graph::client& graph, std::string base, const owner& o
    ) {
        std::vector<json> drives;
        auto call = sharepoint_call(base + "/drives", graph::units::query, o.path);
        constexpr int most_pages = 1000;
        for (int page = 0; page < most_pages; ++page) {
            auto answer = co_await graph.get_page(call);
            if (!answer) {
                co_return answer.error();
            }
            for (auto& drive : *answer->value) {
                if (drive.is_object() && !text(drive, "id").empty()) {
                    drives.push_back(std::move(drive));
                }
            }
            if (answer->next_link.empty()) {
                break;
            }
            call.target = answer->next_link;
        }
        co_return drives;
    }
};

}  // namespace

std::unique_ptr<source> make_drive_source() {
    return std::make_unique<drive_source>();
}

}  // namespace m365stage::sources
