#include <nlohmann/json.hpp>

#include "graph/errors.hpp"
#include "graph/flat_json.hpp"
#include "graph/paging.hpp"
#include "http/http.hpp"
#include "sources/drive_columns.hpp"
#include "sources/drive_item.hpp"
#include "sources/fields.hpp"
#include "sources/source.hpp"
#include "tree/names.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

constexpr unsigned items_a_page = 200;

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

/// True if the failure is this owner's alone and lasting: to be reported as not covered, not as a failed
/// pass.
bool is_owners_state(const core::error& e) {
    return e.kind == core::error_kind::locked || e.kind == core::error_kind::forbidden ||
           e.kind == core::error_kind::not_found || e.kind == core::error_kind::bad_request ||
           e.kind == core::error_kind::unsupported;
}

/// Host and path of the site that a library belongs to; its own name is the last one of its address.
std::string site_address(const json& drive) {
    const auto url = http::parse_url(text(drive, "webUrl"));
    if (!url) {
        return {};
    }
    const auto path = url->target.substr(0, url->target.find_first_of("?#"));
    const auto site = path.substr(0, path.rfind('/'));
    return url->host + http::percent_decode(site).value_or(site);
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
    explicit drive_source(const enabled_kinds& enabled) : enabled_(enabled) {}

    std::string_view kind() const override { return "drive"; }

    bool serves(std::string_view owner_kind) const override {
        return (owner_kind == "user" && enabled_.user_drives) ||
               (owner_kind == "group" && enabled_.group_drives) || (owner_kind == "site" && enabled_.sites);
    }

    task<core::result<owner_listing>> list(graph::client& graph, const owner& o) override {
        if (o.kind == "site") {
            return list_site(graph, o);
        }
        return list_account(graph, o);
    }

    bool has_folder_streams() const override { return false; }
    bool names_are_unique() const override { return true; }

    std::string shape(const index::stream& s) const override {
        return s.listing ? "drive children/1" : "drive/1 top=200 hierarchicalsharing,deltashow*";
    }

    task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) const override {
        // Always from the root: a folder's own delta is not to be trusted (contract 5.2).
        const auto root = "/v1.0/drives/" + segment(c.remote_id) + "/root";
        if (s.listing) {
            co_return co_await single_page(graph, sharepoint_call(root, graph::units::single, c.key));
        }
        const auto top = std::to_string(page_size == 0 ? items_a_page : page_size);
        auto call = s.cursor.empty()
                        ? sharepoint_call(root + "/delta?$top=" + top, graph::units::query, c.key)
                        : sharepoint_call(s.cursor, graph::units::delta_with_token, c.key);
        prefer(call);
        call.flat = true;
        co_return co_await graph.get_page(std::move(call));
    }

    bool walks() const override { return true; }

    /// Some clouds have no delta for drives (contract Q30), and say so.
    bool wants_listing(const core::error& e, bool first) const override {
        constexpr int method_not_allowed = 405, not_implemented = 501;
        const bool refused = e.kind == core::error_kind::bad_request && graph::is_clear(e);
        return first &&
               (refused || e.kind == core::error_kind::unsupported || e.http_status == method_not_allowed ||
                e.http_status == not_implemented || e.cause.find("segment 'delta'") != std::string::npos);
    }

    /// Contract Q53: an empty 503 for a page that is too large.
    unsigned smaller_page(unsigned page_size, const core::error& e) const override {
        constexpr int unavailable = 503;
        constexpr unsigned smallest = 25;
        const bool too_much = (e.http_status == unavailable && e.kind == core::error_kind::server) ||
                              e.kind == core::error_kind::too_large;
        const auto half = (page_size == 0 ? items_a_page : page_size) / 2;
        return too_much && half >= smallest ? half : 0;
    }

    bool page_size_is_in_links() const override { return true; }

    std::optional<index::item_change> parse_item(const json& element, const index::stream&) const override {
        return parse_drive_item(element);
    }

    std::vector<index::item_change> parse_flat(const graph::flat_json& page, const index::stream&)
        const override {
        std::vector<index::item_change> out;
        for (const auto& element : page.root().member("value").elements()) {
            if (auto change = parse_drive_item(element)) {
                out.push_back(std::move(*change));
            }
        }
        return out;
    }

    std::string mark_of(const json& meta) const override { return drive_item_mark(meta); }

    std::string hash_of(const json& meta) const override { return drive_item_hash(meta); }

    graph::call item_call(const index::container& c, const std::string& remote_id) const override {
        return sharepoint_call(item_address(c, remote_id), graph::units::single, c.key);
    }

    std::optional<graph::call> children_call(const index::container& c, const std::string& remote_id)
        const override {
        auto call =
            sharepoint_call(item_address(c, remote_id) + "/children?$top=500", graph::units::query, c.key);
        return call;
    }

    graph::call content_call(const index::container& c, const std::string& remote_id, const std::string& url)
        const override {
        auto call = sharepoint_call(
            url.empty() ? item_address(c, remote_id) + "/content" : url, graph::units::download, c.key
        );
        call.preauthenticated = !url.empty();
        return call;
    }

    task<core::result<std::string>> read_permissions(
        graph::client& graph, const index::container& c, const std::string& remote_id
    ) const override {
        auto call =
            sharepoint_call(item_address(c, remote_id) + "/permissions", graph::units::permissions, c.key);
        auto all = co_await graph::read_list(graph, std::move(call));
        if (!all) {
            co_return all.error();
        }
        co_return canonical(own_permissions(*all));
    }

    /// A personal drive is a library too, but nobody gives it columns.
    bool may_have_columns(const index::container& c) const override { return c.owner_kind != "user"; }

    task<core::result<std::vector<column>>> read_columns(graph::client& graph, const index::container& c)
        const override {
        auto list = co_await read_column_list(graph, c.remote_id, c.key);
        if (!list) {
            co_return list.error();
        }
        co_return own_columns(*list);
    }

    task<core::result<graph::page>> read_column_page(
        graph::client& graph, const index::container& c, const std::string& link
    ) const override {
        auto page = co_await graph.get_page(column_feed_call(c.remote_id, link, c.key));
        co_return page;
    }

    std::optional<index::column_row> parse_column_row(const json& element, const std::vector<column>& columns)
        const override {
        return sources::parse_column_row(element, columns);
    }

    task<core::result<std::string>> read_column_values(
        graph::client& graph, const index::container& c, const std::string& remote_id,
        const std::vector<column>& columns
    ) const override {
        auto item = co_await graph.get_json(list_item_call(c.remote_id, remote_id, c.key));
        if (!item) {
            co_return item.error();
        }
        const auto* fields = member(*item, "fields");
        co_return canonical(column_values(fields != nullptr ? *fields : json::object(), columns));
    }

    content_kind content() const override { return content_kind::announced; }

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

    bool is_wanted(const owner& o, const json& drive) const {
        const auto site =
            o.kind == "group" && enabled_.takes_library_of ? site_address(drive) : std::string();
        return site.empty() || enabled_.takes_library_of(site);
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
            out.not_covered.push_back(reason_of(e));
            out.complete = false;
            out.refused = e;
            co_return out;
        }
        const auto main_id = text(*main, "id");
        if (!main_id.empty() && is_wanted(o, *main)) {
            out.containers.push_back(found(o, *main, o.path + "/" + default_name));
        }
        auto list = co_await all_drives(graph, base, o);
        if (!list) {
            // The main drive is known; the list alone failing is no reason to leave it out, nor to take the
            // others for gone.
            out.complete = false;
            co_return core::is_transient(list.error().kind) ? core::result<owner_listing>(list.error())
                                                            : core::result<owner_listing>(std::move(out));
        }
        for (const auto& drive : *list) {
            if (text(drive, "id") != main_id && !is_service_library(text(drive, "name")) &&
                is_wanted(o, drive)) {
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
            out.not_covered.push_back(reason_of(e));
            out.complete = false;
            out.refused = e;
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
        auto call = sharepoint_call(base + "/drives", graph::units::query, o.path);
        auto all = co_await graph::read_list(graph, std::move(call));
        if (!all) {
            co_return all.error();
        }
        std::vector<json> drives;
        for (auto& drive : *all) {
            if (drive.is_object() && !text(drive, "id").empty()) {
                drives.push_back(std::move(drive));
            }
        }
        co_return drives;
    }

    enabled_kinds enabled_;
};

}  // namespace

std::unique_ptr<source> make_drive_source(const enabled_kinds& enabled) {
    return std::make_unique<drive_source>(enabled);
}

}  // namespace m365stage::sources
