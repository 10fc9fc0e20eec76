#include <nlohmann/json.hpp>

#include "auth/encoding.hpp"
#include "graph/errors.hpp"
#include "graph/paging.hpp"
#include "sources/fields.hpp"
#include "sources/ics_stream.hpp"
#include "sources/outlook.hpp"
#include "sources/task_item.hpp"

namespace m365stage::sources {
namespace {

using core::error_kind;
using nlohmann::json;

constexpr unsigned tasks_a_page = 500;

/// Writes one task's file.
class task_renderer {
public:
    task_renderer(
        graph::client& graph, const index::container& c, const index::work_item& item, http::body_sink& out
    )
        : graph_(graph), container_(c), out_(out), tries_(item.attempts) {
        at_ = mailbox_address(c.owner_kind, c.owner_id) + "/todo/lists/" + segment(item.parent_remote_id) +
              "/tasks/" + segment(item.remote_id);
    }

    task<core::result<void>> run(json meta) {
        auto checklist = co_await all("/checklistItems");
        if (!checklist) {
            co_return checklist.error();
        }
        auto links = co_await all("/linkedResources");
        if (!links) {
            co_return links.error();
        }
        auto text = task_document(
            meta, task_parts(*checklist, {"checkedDateTime", "createdDateTime", "displayName", "isChecked"}),
            task_parts(*links, {"applicationName", "displayName", "externalId", "webUrl"})
        );
        auto put = co_await out_.put(std::move(text));
        if (!put) {
            co_return put.error();
        }
        if (is_true(meta, "hasAttachments")) {
            auto attached = co_await attachments();
            if (!attached) {
                co_return attached.error();
            }
        }
        co_return co_await out_.put("]\n}\n");
    }

private:
    graph::call call(const std::string& below) const {
        return mailbox_call(container_.owner_id, at_ + below, container_.key, tasks_a_page);
    }

    /// All of what belongs to the task.
    task<core::result<json>> all(const std::string& below) { return graph::read_list(graph_, call(below)); }

    task<core::result<void>> attachments() {
        auto found = co_await all("/attachments");
        if (!found) {
            co_return found.error();
        }
        bool first = true;
        for (const auto& element : *found) {
            auto written = co_await attachment(element, first);
            if (!written) {
                co_return written.error();
            }
            first = false;
        }
        if (!first) {
            co_return co_await out_.put("\n  ");
        }
        co_return core::result<void>();
    }

    task<core::result<void>> attachment(const json& element, bool first) {
        auto put = co_await out_.put(task_attachment(element, first));
        if (!put) {
            co_return put.error();
        }
        // One JSON text, which begins when the service begins to send.
        base64_after bytes(out_, "", [](const http::response&) {
            return std::string(task_attachment_bytes);
        });
        auto got =
            co_await graph_.download(call("/attachments/" + segment(text(element, "id")) + "/$value"), bytes);
        if (!got && !bytes.begun() && is_refused(got.error())) {
            co_return co_await whole_attachment(element);
        }
        if (!got) {
            co_return got.error();
        }
        auto rest = co_await bytes.finish();
        if (!rest) {
            co_return rest.error();
        }
        std::string end = bytes.begun() ? "\"\n    }" : "\n    }";
        co_return co_await out_.put(std::move(end));
    }

    /// Where the bytes alone are not served, they are in the attachment itself. One that can't be read is
    /// named all the same.
    task<core::result<void>> whole_attachment(const json& element) {
        auto got = co_await graph_.get_json(call("/attachments/" + segment(text(element, "id"))));
        if (!got && !is_refused(got.error())) {
            co_return got.error();
        }
        if (!got && !graph::is_clear(got.error(), tries_)) {
            co_return graph::as_unclear(got.error());
        }
        std::string rest = ",\n      \"unreadable\": ";
        if (got && auth::base64_decode(text(*got, "contentBytes"))) {
            rest = task_attachment_bytes + text(*got, "contentBytes") + "\"\n    }";
        } else {
            rest += canonical(json(got ? "the service sends no bytes" : reason_of(got.error()))) + "\n    }";
        }
        co_return co_await out_.put(std::move(rest));
    }

    static bool is_refused(const core::error& e) {
        return is_not_offered(e) || e.kind == error_kind::too_large;
    }

    graph::client& graph_;
    const index::container& container_;
    ics_stream out_;
    int tries_;  ///< that ended without the task, before this one
    std::string at_;
};

class tasks_source final : public source {
public:
    explicit tasks_source(const enabled_kinds& enabled) : enabled_(enabled) {}

    std::string_view kind() const override { return "tasks"; }

    bool serves(std::string_view owner_kind) const override { return enabled_.tasks && owner_kind == "user"; }

    task<core::result<owner_listing>> list(graph::client& graph, const owner& o) override {
        co_return co_await list_mailbox(graph, o, "tasks", "Tasks", "/todo/lists");
    }

    bool has_folder_streams() const override { return true; }

    std::string shape(const index::stream& s) const override {
        return s.is_main() ? "task lists/1" : s.ids_only ? "task ids/1" : "tasks/1";
    }

    bool wants_listing(const core::error& e, bool first) const override { return is_delta_refused(e, first); }
    bool may_list_folders() const override { return true; }

    task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) const override {
        auto target = s.cursor;
        if (target.empty()) {
            target = (s.is_main() ? todo_lists(c) : tasks_in(c, s)) + (s.listing ? "" : "/delta") +
                     (s.ids_only ? "?$select=" + std::string(versions) : "");
        }
        auto call =
            mailbox_call(c.owner_id, std::move(target), c.key, page_size == 0 ? tasks_a_page : page_size);
        if (!s.is_main()) {
            call = page_of_items(std::move(call), page_size == 0);
        }
        auto page = co_await graph.get_page(std::move(call));
        if (page && s.is_main() && s.cursor.empty()) {
            page->value->insert(page->value->begin(), root_element(todo_root));
        }
        co_return page;
    }

    std::optional<graph::call> listing_call(
        const index::container& c, const index::stream& s, std::uint64_t position, unsigned page_size
    ) const override {
        auto target = items_from(
            tasks_in(c, s), s.ids_only ? versions : "", position, page_size == 0 ? tasks_a_page : page_size
        );
        return page_of_items(mailbox_call(c.owner_id, std::move(target), c.key), false);
    }

    bool is_sparse(const json& element, const index::stream& s) const override {
        if (!s.is_main()) {
            return is_sparse_task(element);
        }
        return element.is_object() && !is_removed(element) && !is_root_element(element) &&
               !element.contains("displayName");
    }

    std::optional<index::item_change> parse_item(const json& element, const index::stream& s) const override {
        if (is_root_element(element)) {
            return root_change(element);
        }
        return s.is_main() ? parse_task_list(element) : parse_task(element, s.remote_id);
    }

    std::string mark_of(const json& meta) const override { return canonical(meta); }
    std::string hash_of(const json& meta) const override { return task_content_key(meta); }

    /// Tasks have no address without their list's: see `rest_call`.
    graph::call item_call(const index::container& c, const std::string& remote_id) const override {
        return mailbox_call(c.owner_id, todo_lists(c) + "/" + segment(remote_id), c.key);
    }

    graph::call rest_call(const index::container& c, const index::stream& s, const std::string& remote_id)
        const override {
        if (s.is_main()) {
            return item_call(c, remote_id);
        }
        return mailbox_call(c.owner_id, tasks_in(c, s) + "/" + segment(remote_id), c.key);
    }

    content_kind content() const override { return content_kind::rendered; }

    task<core::result<rendered_item>> render(
        graph::client& graph, const index::container& c, const index::work_item& item, http::body_sink& out
    ) const override {
        auto meta = json::parse(item.meta, nullptr, false);
        task_renderer renderer(graph, c, item, out);
        auto done = co_await renderer.run(meta);
        if (!done) {
            co_return done.error();
        }
        co_return as_listed(*this, item);
    }

private:
    static constexpr const char* versions = "id,lastModifiedDateTime";  // and the etag, an annotation

    static std::string todo_lists(const index::container& c) {
        return mailbox_address(c.owner_kind, c.owner_id) + "/todo/lists";
    }

    static std::string tasks_in(const index::container& c, const index::stream& s) {
        return todo_lists(c) + "/" + segment(s.remote_id) + "/tasks";
    }

    enabled_kinds enabled_;
};

}  // namespace

std::unique_ptr<source> make_tasks_source(const enabled_kinds& enabled) {
    return std::make_unique<tasks_source>(enabled);
}

}  // namespace m365stage::sources
