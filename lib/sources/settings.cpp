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

    /// There is no feed of these: three requests in each pass (contract 6.1). The cursor is no link but says
    /// which lists there were: one that was there and is refused now is no list that is not offered, and
    /// nothing of what is staged is touched until it comes again.
    task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned
    ) const override {
        auto settings = co_await graph.get_json(call(c, "/mailboxSettings"));
        if (!settings) {
            auto e = settings.error();
            const bool drops_cursor =
                e.kind == core::error_kind::not_found || e.kind == core::error_kind::bad_request;
            if (!s.cursor.empty() && drops_cursor) {
                e.kind = core::error_kind::unsupported;
            }
            co_return e;
        }
        graph::page page;
        page.value = std::make_unique<json>(json::array());
        page.value->push_back(root_element(settings_root));
        listed rules(rules_there, s.cursor);
        auto asked = co_await ask(graph, call(c, "/mailFolders/inbox/messageRules"), rules, page);
        listed categories(categories_there, s.cursor);
        if (asked) {
            asked = co_await ask(graph, call(c, "/outlook/masterCategories"), categories, page);
        }
        if (!asked) {
            co_return asked.error();
        }
        page.delta_link = lists_mark;
        page.delta_link += rules.is_there() ? rules_there : "";
        page.delta_link += categories.is_there() ? categories_there : "";
        page.value->push_back(
            rules.withheld || categories.withheld
                ? kept_settings_element()
                : settings_element(std::move(*settings), std::move(rules.all), std::move(categories.all))
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

    /// One of the lists beside the settings.
    struct listed {
        listed(const char* name, const std::string& cursor)
            : was_there(cursor.find(name) != std::string::npos) {}
        json all;  ///< null where the service does not offer it
        bool was_there;
        bool withheld = false;  ///< it was there and is refused now
        bool is_there() const { return was_there || !all.is_null(); }
    };

    /// A whole collection. What it is refused for is told to a person, unless it was never there.
    static task<core::result<void>> ask(
        graph::client& graph, graph::call first, listed& list, graph::page& page
    ) {
        for (int tries = 0;; ++tries) {
            auto all = co_await graph::read_list(graph, first);
            if (all) {
                list.all = std::move(*all);
                co_return core::result<void>();
            }
            const auto& e = all.error();
            if (!is_not_offered(e)) {
                co_return e;
            }
            if (!graph::is_clear(e, tries)) {
                continue;
            }
            list.withheld = list.was_there;
            if (list.was_there || e.code == "ErrorCorruptData") {
                page.doubt = e;
            }
            co_return core::result<void>();
        }
    }

    static constexpr const char* lists_mark = "lists";
    static constexpr const char* rules_there = " rules";
    static constexpr const char* categories_there = " categories";

    enabled_kinds enabled_;
};

}  // namespace

std::unique_ptr<source> make_settings_source(const enabled_kinds& enabled) {
    return std::make_unique<settings_source>(enabled);
}

}  // namespace m365stage::sources
