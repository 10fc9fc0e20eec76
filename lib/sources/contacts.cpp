#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/hash.hpp"
#include "graph/errors.hpp"
#include "graph/paging.hpp"
#include "sources/contact_item.hpp"
#include "sources/fields.hpp"
#include "sources/ics_stream.hpp"
#include "sources/outlook.hpp"
#include "sources/vcard.hpp"

namespace m365stage::sources {
namespace {

using core::error_kind;
using nlohmann::json;

constexpr unsigned contacts_a_page = 500;
constexpr unsigned contact_folders_a_page = 250;
constexpr std::size_t most_folders = 10'000;  // of one mailbox; a list that never ends is a fault
constexpr const char* folder_members = "displayName,parentFolderId";
constexpr const char* top_id = "contacts";  // the root, where the service does not tell what is above

/// Why a contact waits for its photo; nullopt: it has none, says the service.
std::optional<core::error> photo_failure(const core::error& e, int tries) {
    constexpr int not_found = 404;
    if (e.http_status != not_found && !is_not_offered(e)) {
        return e;
    }
    return graph::is_clear(e, tries) ? std::nullopt : std::optional(graph::as_unclear(e));
}

/// The folders of a mailbox, put together from all that tells of them: the list leaves out the default folder
/// and some nested ones (contract 6.6, Q79).
class folder_walk {
public:
    folder_walk(graph::client& graph, const index::container& c, json& elements)
        : graph_(graph), container_(c), elements_(elements) {
        for (const auto& e : elements) {
            known_.insert(text(e, "id"));
        }
    }

    /// Adds what is below the folders, whose ids are these. Errors: those of the calls.
    task<core::result<void>> below(std::vector<std::string> ids) {
        std::unordered_set<std::string> asked;
        while (!ids.empty()) {
            const auto id = std::move(ids.back());
            ids.pop_back();
            if (!asked.insert(id).second) {
                continue;
            }
            if (asked.size() > most_folders) {
                core::error e(error_kind::protocol, "the list of contact folders never ends");
                co_return std::move(e).on(container_.key);
            }
            auto children = co_await children_of(id);
            if (!children) {
                co_return children.error();
            }
            ids.insert(ids.end(), children->begin(), children->end());
        }
        co_return core::result<void>();
    }

    bool added() const { return added_; }

private:
    task<core::result<std::vector<std::string>>> children_of(std::string id) {
        std::vector<std::string> out;
        const auto call = mailbox_call(
            container_.owner_id,
            mailbox_address(container_.owner_kind, container_.owner_id) + "/contactFolders/" + segment(id) +
                "/childFolders?$select=" + folder_members,
            container_.key, contact_folders_a_page
        );
        for (int tries = 0;; ++tries) {
            auto children = co_await graph::read_list(graph_, call);
            if (children) {
                for (auto& element : *children) {
                    take(element, out);
                }
                co_return out;
            }
            if (!is_not_offered(children.error())) {
                co_return children.error();
            }
            if (graph::is_clear(children.error(), tries)) {
                co_return out;  // not offered here, or gone meanwhile
            }
        }
    }

    void take(json& element, std::vector<std::string>& out) {
        const auto id = text(element, "id");
        if (id.empty()) {
            return;
        }
        out.push_back(id);
        if (known_.insert(id).second) {
            added_ = true;
            elements_.push_back(std::move(element));
        }
    }

    graph::client& graph_;
    const index::container& container_;
    json& elements_;
    std::unordered_set<std::string> known_;
    bool added_ = false;
};

class contacts_source final : public source {
public:
    explicit contacts_source(const enabled_kinds& enabled) : enabled_(enabled) {}

    std::string_view kind() const override { return "contacts"; }

    bool serves(std::string_view owner_kind) const override {
        return enabled_.contacts && owner_kind == "user";
    }

    task<core::result<owner_listing>> list(graph::client& graph, const owner& o) override {
        co_return co_await list_mailbox(graph, o, "contacts", "Contacts", "/contactFolders");
    }

    bool has_folder_streams() const override { return true; }

    std::string shape(const index::stream& s) const override {
        return s.is_main() ? "contact folders/1" : "contacts/2 " + core::short_tag(members_of(s));
    }

    /// Where nested folders are missing in the feed of folders, every round begins anew: then there is no
    /// link.
    bool lists(const index::stream& s) const override { return s.is_main() || s.listing; }

    bool wants_listing(const core::error& e, bool first) const override { return is_delta_refused(e, first); }
    bool may_list_folders() const override { return true; }

    task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) const override {
        if (s.is_main()) {
            const auto most = page_size == 0 ? contact_folders_a_page : page_size;
            co_return co_await read_folders(graph, c, s, most);
        }
        auto target = s.cursor;
        if (target.empty()) {
            target = contacts_in(c, s) + (s.listing ? "" : "/delta") + "?$select=" + members_of(s);
        }
        const auto size = page_size == 0 ? contacts_a_page : page_size;
        auto call = page_of_items(mailbox_call(c.owner_id, std::move(target), c.key, size), page_size == 0);
        co_return co_await graph.get_page(std::move(call));
    }

    std::optional<graph::call> listing_call(
        const index::container& c, const index::stream& s, std::uint64_t position, unsigned page_size
    ) const override {
        auto target = items_from(
            contacts_in(c, s), members_of(s), position, page_size == 0 ? contacts_a_page : page_size
        );
        return page_of_items(mailbox_call(c.owner_id, std::move(target), c.key), false);
    }

    bool is_sparse(const json& element, const index::stream& s) const override {
        if (!s.is_main()) {
            return is_sparse_contact(element);
        }
        return element.is_object() && !is_removed(element) && !is_root_element(element) &&
               !(element.contains("displayName") && element.contains("parentFolderId"));
    }

    std::optional<index::item_change> parse_item(const json& element, const index::stream& s) const override {
        if (is_root_element(element)) {
            return root_change(element);
        }
        return s.is_main() ? parse_contact_folder(element) : parse_contact(element, s.remote_id);
    }

    std::string mark_of(const json& meta) const override { return canonical(meta); }
    std::string hash_of(const json& meta) const override { return contact_content_key(meta); }

    graph::call item_call(const index::container& c, const std::string& remote_id) const override {
        return mailbox_call(
            c.owner_id,
            address(c) + "/contacts/" + segment(remote_id) + "?$select=" + std::string(contact_members()),
            c.key
        );
    }

    graph::call folder_call(const index::container& c, const std::string& remote_id) const override {
        return mailbox_call(
            c.owner_id, address(c) + "/contactFolders/" + segment(remote_id) + "?$select=" + folder_members,
            c.key
        );
    }

    content_kind content() const override { return content_kind::rendered; }

    /// All of a contact is in the page, but for its photo: there is no telling whether it has one.
    task<core::result<rendered_item>> render(
        graph::client& graph, const index::container& c, const index::work_item& item, http::body_sink& out
    ) const override {
        const auto meta = json::parse(item.meta, nullptr, false);
        ics_stream card(out);
        auto put = co_await card.put(vcard_without_end(meta, item.remote_id));
        if (!put) {
            co_return put.error();
        }
        base64_after photo(card, "\r\n ", [](const http::response& head) {
            return vcard_photo(head.fields.find("Content-Type").value_or(""));
        });
        auto call = mailbox_call(
            c.owner_id, address(c) + "/contacts/" + segment(item.remote_id) + "/photo/$value", c.key
        );
        auto got = co_await graph.download(std::move(call), photo);
        auto failed = got ? std::nullopt : photo_failure(got.error(), item.attempts);
        if (failed) {
            co_return std::move(*failed);
        }
        if (photo.begun()) {
            auto rest = co_await photo.finish();
            if (!rest) {
                co_return rest.error();
            }
            put = co_await card.put("\r\n");
        }
        if (put) {
            put = co_await card.put(std::string(vcard_end));
        }
        if (!put) {
            co_return put.error();
        }
        co_return as_listed(*this, item);
    }

private:
    static std::string address(const index::container& c) {
        return mailbox_address(c.owner_kind, c.owner_id);
    }

    static std::string contacts_in(const index::container& c, const index::stream& s) {
        return address(c) + "/contactFolders/" + segment(s.remote_id) + "/contacts";
    }

    static std::string members_of(const index::stream& s) {
        return s.ids_only ? "id,changeKey,lastModifiedDateTime" : std::string(contact_members());
    }

    /// The default folder, which no list shows. Errors: not_found.
    task<core::result<json>> default_folder(graph::client& graph, const index::container& c) const {
        auto known = co_await graph.get_json(folder_call(c, "contacts"));
        if (known || known.error().kind != error_kind::not_found) {
            co_return known;
        }
        // Any contact that is in no other folder tells where it is.
        auto any = co_await graph.get_page(
            mailbox_call(c.owner_id, address(c) + "/contacts?$top=1&$select=parentFolderId", c.key)
        );
        if (any && !any->value->empty()) {
            const auto id = text(any->value->front(), "parentFolderId");
            if (!id.empty()) {
                co_return co_await graph.get_json(folder_call(c, id));
            }
        }
        co_return known;
    }

    static bool tells_folders(const json& elements) {
        return std::any_of(elements.begin(), elements.end(), [](const json& e) {
            return e.is_object() && !is_removed(e);
        });
    }

    /// A page of the folder list. The first one of a full round begins with the root and the default folder;
    /// the last one of every round has what the feed left out.
    task<core::result<graph::page>> read_folders(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned size
    ) const {
        auto target = s.cursor;
        if (target.empty()) {
            target =
                address(c) + "/contactFolders" + (s.listing ? "" : "/delta") + "?$select=" + folder_members;
        }
        auto call = mailbox_call(c.owner_id, std::move(target), c.key, size);
        auto page = co_await graph.get_page(std::move(call));
        if (!page) {
            co_return page;
        }
        std::string standard = "contacts";
        if (s.cursor.empty() || tells_folders(*page->value)) {
            auto folder = co_await default_folder(graph, c);
            if (!folder && folder.error().kind != error_kind::not_found) {
                co_return folder.error();
            }
            standard = folder ? put_default(*page->value, std::move(*folder), s.cursor.empty()) : standard;
        }
        if (page->next_link.empty()) {
            std::vector<std::string> ids;
            for (const auto& e : *page->value) {
                if (!is_removed(e) && !is_root_element(e) && !text(e, "id").empty()) {
                    ids.push_back(text(e, "id"));
                }
            }
            ids.push_back(std::move(standard));
            folder_walk walk(graph, c, *page->value);
            auto walked = co_await walk.below(std::move(ids));
            if (!walked) {
                co_return walked.error();
            }
            if (s.round_full && walk.added()) {
                page->delta_link.clear();
            }
        }
        co_return page;
    }

    /// Puts root and default folder in front; the default folder's id. Some feeds tell of it as well: that
    /// element gives way to ours, on later pages (not `first`) too.
    static std::string put_default(json& elements, json folder, bool first) {
        const auto id = text(folder, "id");
        bool told = false;
        for (auto e = elements.begin(); e != elements.end();) {
            const bool same = e->is_object() && text(*e, "id") == id && !is_removed(*e);
            told = told || same;
            e = same ? elements.erase(e) : e + 1;
        }
        if (!told && !first) {
            return id;
        }
        auto above = text(folder, "parentFolderId");
        if (above.empty() || above == id) {
            above = top_id;
            folder["parentFolderId"] = above;
        }
        folder["wellKnownName"] = "contacts";  // what a restore finds it by, whatever its name is there
        elements.insert(elements.begin(), std::move(folder));
        if (first) {
            elements.insert(elements.begin(), root_element(above));
        }
        return id;
    }

    enabled_kinds enabled_;
};

}  // namespace

std::unique_ptr<source> make_contacts_source(const enabled_kinds& enabled) {
    return std::make_unique<contacts_source>(enabled);
}

}  // namespace m365stage::sources
