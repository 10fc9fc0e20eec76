#include <nlohmann/json.hpp>

#include "core/text.hpp"
#include "sources/calendar_item.hpp"
#include "sources/event_render.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

// What the service gives at most in one page; more is cut to its own limit.
constexpr unsigned events_a_page = 999;
constexpr unsigned calendars_a_page = 250;

class calendar_source final : public source {
public:
    explicit calendar_source(const enabled_kinds& enabled) : enabled_(enabled) {}

    std::string_view kind() const override { return "calendar"; }

    bool serves(std::string_view owner_kind) const override {
        return enabled_.calendar && (owner_kind == "user" || owner_kind == "group");
    }

    task<core::result<owner_listing>> list(graph::client& graph, const owner& o) override {
        index::container c;
        c.owner_id = o.id;
        c.key = o.path + "/calendar";
        auto usual = calendar_call(c, mailbox_address(o.kind, o.id) + "/calendar?$select=id");
        co_return co_await list_mailbox(graph, o, "calendar", "Calendars", std::move(usual));
    }

    bool has_folder_streams() const override { return true; }
    bool lists(const index::stream&) const override { return true; }

    std::string shape(const index::stream& s) const override {
        return s.is_main() ? "calendars/1" : std::string("events/1 ") + members_of(s);
    }

    task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) const override {
        if (s.is_main()) {
            auto page = co_await read_calendars(graph, c, s, page_size);
            co_return page;
        }
        auto target = s.cursor.empty() ? events_in(c, s) + "?$select=" + members_of(s) : s.cursor;
        const auto size = page_size == 0 ? events_a_page : page_size;
        auto call = page_of_items(calendar_call(c, std::move(target), size), page_size == 0);
        co_return co_await graph.get_page(std::move(call));
    }

    std::optional<graph::call> listing_call(
        const index::container& c, const index::stream& s, std::uint64_t position, unsigned page_size
    ) const override {
        auto target =
            items_from(events_in(c, s), members_of(s), position, page_size == 0 ? events_a_page : page_size);
        return page_of_items(calendar_call(c, std::move(target)), false);
    }

    bool is_sparse(const json& element, const index::stream& s) const override {
        return s.ids_only && element.is_object() && !is_removed(element) && !element.contains("start");
    }

    std::optional<index::item_change> parse_item(const json& element, const index::stream& s) const override {
        if (is_root_element(element)) {
            return root_change(element);
        }
        return s.is_main() ? parse_calendar(element) : parse_event(element, s.remote_id);
    }

    std::string mark_of(const json& meta) const override {
        return is_event(meta) ? event_key(meta) : canonical(meta);
    }
    std::string hash_of(const json& meta) const override {
        return is_event(meta) ? event_key(meta) : std::string();
    }

    graph::call item_call(const index::container& c, const std::string& remote_id) const override {
        return calendar_call(
            c, address(c) + "/events/" + segment(remote_id) + "?$select=" + listed_event_members
        );
    }

    graph::call folder_call(const index::container& c, const std::string& remote_id) const override {
        return calendar_call(c, one_calendar(c, remote_id));
    }

    content_kind content() const override { return content_kind::rendered; }

    task<core::result<rendered_item>> render(
        graph::client& graph, const index::container& c, const index::work_item& item, http::body_sink& out
    ) const override {
        co_return co_await render_event(graph, c, item, out);
    }

private:
    static std::string address(const index::container& c) {
        return mailbox_address(c.owner_kind, c.owner_id);
    }

    /// A group has one calendar.
    static std::string one_calendar(const index::container& c, const std::string& remote_id) {
        return address(c) + (c.owner_kind == "group" ? "/calendar" : "/calendars/" + segment(remote_id));
    }

    static std::string events_in(const index::container& c, const index::stream& s) {
        return one_calendar(c, s.remote_id) + "/events";
    }

    static const char* members_of(const index::stream& s) {
        return s.ids_only ? "id,changeKey" : listed_event_members;
    }

    static bool is_event(const json& meta) {
        return member(meta, "changeKey") != nullptr || member(meta, "lastModifiedDateTime") != nullptr;
    }

    /// A page of the list of calendars; the first one begins with the root, which the service does not have.
    static task<core::result<graph::page>> read_calendars(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) {
        if (c.owner_kind == "group") {
            auto one = co_await graph.get_json(calendar_call(c, address(c) + "/calendar"));
            if (!one) {
                co_return one.error();
            }
            graph::page page;
            page.value = std::make_unique<json>(json::array());
            page.value->push_back(root_element(calendars_root));
            page.value->push_back(std::move(*one));
            co_return core::result<graph::page>(std::move(page));
        }
        const auto size = page_size == 0 ? calendars_a_page : page_size;
        auto target = s.cursor.empty() ? address(c) + "/calendars" : s.cursor;
        auto page = co_await graph.get_page(calendar_call(c, std::move(target), size));
        if (!page) {
            co_return page;
        }
        auto kept = co_await leave_out_shared(graph, c, *page->value);
        if (!kept) {
            co_return kept.error();
        }
        if (s.cursor.empty()) {
            page->value->insert(page->value->begin(), root_element(calendars_root));
        }
        co_return page;
    }

    /// Calendars that others share are listed among one's own; they are staged with their owners. Whose a
    /// calendar is can't be told by the user's name alone: the default calendar says by what address the
    /// owner goes.
    static task<core::result<bool>> leave_out_shared(
        graph::client& graph, const index::container& c, json& calendars
    ) {
        const auto name = core::lowered(c.owner_name);
        std::string self;
        bool foreign = false;
        for (const auto& one : calendars) {
            const auto owner = core::lowered(calendar_owner(one));
            self = is_true(one, "isDefaultCalendar") ? owner : self;
            foreign = foreign || (!owner.empty() && owner != name);
        }
        if (!foreign) {
            co_return true;
        }
        if (self.empty()) {
            auto usual = co_await graph.get_json(calendar_call(c, address(c) + "/calendar?$select=id,owner"));
            if (!usual) {
                co_return usual.error();
            }
            self = core::lowered(calendar_owner(*usual));
        }
        json kept = json::array();
        for (auto& one : calendars) {
            const auto whose = core::lowered(calendar_owner(one));
            if (whose.empty() || whose == self || whose == name) {
                kept.push_back(std::move(one));
            }
        }
        calendars = std::move(kept);
        co_return true;
    }

    enabled_kinds enabled_;
};

}  // namespace

std::unique_ptr<source> make_calendar_source(const enabled_kinds& enabled) {
    return std::make_unique<calendar_source>(enabled);
}

}  // namespace m365stage::sources
