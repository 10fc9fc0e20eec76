#include <nlohmann/json.hpp>

#include "graph/errors.hpp"
#include "graph/paging.hpp"
#include "sources/fields.hpp"
#include "sources/ics_stream.hpp"
#include "sources/outlook.hpp"
#include "sources/settings_item.hpp"

namespace m365stage::sources {
namespace {

using core::error_kind;
using nlohmann::json;

constexpr unsigned objects_a_page = 250;

class settings_source final : public source {
public:
    explicit settings_source(const enabled_kinds& enabled) : enabled_(enabled) {}

    std::string_view kind() const override { return "settings"; }

    bool serves(std::string_view owner_kind) const override { return enabled_.mail && owner_kind == "user"; }

    task<core::result<owner_listing>> list(graph::client& graph, const owner& o) override {
        auto found = co_await list_mailbox(graph, o, "settings", "Mailbox settings", "/mailboxSettings");
        if (found || core::is_transient(found.error().kind) ||
            found.error().kind == error_kind::auth_refused) {
            co_return found;
        }
        // Mail is staged all the same.
        owner_listing out;
        out.not_covered.push_back("settings: " + reason_of(found.error()));
        out.complete = false;
        co_return out;
    }

    bool has_folder_streams() const override { return false; }
    std::string shape(const index::stream&) const override { return "settings/1"; }
    bool lists(const index::stream&) const override { return true; }

    /// There is no feed of these: three requests in each pass (contract 6.1).
    task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream&, unsigned
    ) const override {
        auto settings = co_await graph.get_json(call(c, "/mailboxSettings"));
        if (!settings) {
            co_return settings.error();
        }
        auto rules = co_await offered(graph, call(c, "/mailFolders/inbox/messageRules"));
        if (!rules) {
            co_return rules.error();
        }
        auto categories = co_await offered(graph, call(c, "/outlook/masterCategories"));
        if (!categories) {
            co_return categories.error();
        }
        graph::page page;
        page.value = std::make_unique<json>(json::array());
        page.value->push_back(root_element(settings_root));
        page.value->push_back(
            settings_element(std::move(*settings), std::move(*rules), std::move(*categories))
        );
        co_return page;
    }

    std::optional<index::item_change> parse_item(const json& element, const index::stream&) const override {
        return is_root_element(element) ? root_change(element) : parse_settings(element);
    }

    std::string mark_of(const json& meta) const override { return canonical(meta); }
    std::string hash_of(const json& meta) const override { return settings_content_key(meta); }

    graph::call item_call(const index::container& c, const std::string&) const override {
        return call(c, "/mailboxSettings");
    }

    content_kind content() const override { return content_kind::rendered; }

    task<core::result<rendered_item>> render(
        graph::client&, const index::container&, const index::work_item& item, http::body_sink& out
    ) const override {
        const auto meta = json::parse(item.meta, nullptr, false);
        ics_stream file(out);
        auto put = co_await file.put(settings_document(meta));
        if (!put) {
            co_return put.error();
        }
        co_return as_listed(*this, item);
    }

private:
    static graph::call call(const index::container& c, const std::string& below) {
        return mailbox_call(
            c.owner_id, mailbox_address(c.owner_kind, c.owner_id) + below, c.key, objects_a_page
        );
    }

    /// A whole collection; null where the service does not offer it.
    static task<core::result<json>> offered(graph::client& graph, graph::call first) {
        for (int tries = 0;; ++tries) {
            auto all = co_await graph::read_list(graph, first);
            if (all || !is_not_offered(all.error())) {
                co_return all;
            }
            if (graph::is_clear(all.error(), tries)) {
                co_return json();
            }
        }
    }

    enabled_kinds enabled_;
};

}  // namespace

std::unique_ptr<source> make_settings_source(const enabled_kinds& enabled) {
    return std::make_unique<settings_source>(enabled);
}

}  // namespace m365stage::sources
