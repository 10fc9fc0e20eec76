#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "sources/fields.hpp"
#include "sources/mail_folders.hpp"
#include "sources/mail_item.hpp"
#include "sources/mail_known.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

// What the service gives at most in one page; more is cut to its own limit.
constexpr unsigned messages_a_page = 500;

constexpr const char* root_probe = "/mailFolders/msgfolderroot?$select=id";
constexpr const char* no_archive = "in-place archive: Microsoft Graph does not serve it";
constexpr const char* no_conversations = "group conversations: they are not mail folders, and are not staged";

/// Pages with elements that have to be asked for are not for `parse_flat`.
bool has_sparse(const graph::page& page) {
    const auto all = page.flat->root().member("value").elements();
    return std::any_of(all.begin(), all.end(), [](const auto& element) {
        return is_sparse_message(element);
    });
}

class mail_source final : public source {
public:
    explicit mail_source(const enabled_kinds& enabled) : enabled_(enabled) {}

    std::string_view kind() const override { return "mail"; }

    bool serves(std::string_view owner_kind) const override {
        return enabled_.mail && (owner_kind == "user" || owner_kind == "group");
    }

    task<core::result<owner_listing>> list(graph::client& graph, const owner& o) override {
        owner_listing out;
        if (o.kind == "group") {
            out.not_covered.emplace_back(no_conversations);
            co_return out;
        }
        auto found = co_await list_mailbox(graph, o, "mail", "Mail", root_probe);
        if (found && !found->containers.empty()) {
            found->not_covered.emplace_back(no_archive);
        }
        co_return found;
    }

    bool has_folder_streams() const override { return true; }

    std::string shape(const index::stream& s) const override {
        if (s.is_main()) {
            return std::string(s.listing ? "mail folder walk/1" : "mail folders/2") +
                   (enabled_.recoverable_items ? " recoverable" : "");
        }
        return "messages/2 " + core::short_tag(members_of(s));
    }

    task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) const override {
        if (!s.is_main()) {
            auto target = s.cursor.empty() ? first_messages(c, s) : s.cursor;
            auto size = page_size == 0 ? messages_a_page : page_size;
            auto call =
                page_of_items(mailbox_call(c.owner_id, std::move(target), c.key, size), page_size == 0);
            call.flat = !s.ids_only;  // every element of such a page is asked for
            auto page = co_await graph.get_page(std::move(call));
            if (page && page->flat && has_sparse(*page)) {
                graph::unflatten(*page);
            }
            co_return page;
        }
        const auto size = page_size == 0 ? mail_folders_a_page : page_size;
        auto page = co_await read_folders(graph, c, s, size);
        if (page && !s.listing) {
            auto added = co_await complete_feed(graph, c, s, *page);
            if (!added) {
                co_return added.error();
            }
        }
        if (page) {
            auto named = co_await known_.name_them(graph, c, *page->value);
            if (!named) {
                co_return named.error();
            }
        }
        co_return page;
    }

    bool wants_listing(const core::error& e, bool first) const override { return is_delta_refused(e, first); }

    bool walks() const override { return true; }

    std::optional<graph::call> children_call(const index::container& c, const std::string& remote_id)
        const override {
        return mailbox_call(
            c.owner_id,
            address(c) + "/mailFolders/" + segment(remote_id) +
                "/childFolders?includeHiddenFolders=true&$top=" + std::to_string(mail_folders_a_page) +
                "&$select=" + mail_folder_members,
            c.key
        );
    }

    task<core::result<graph::page>> read_children(
        graph::client& graph, const index::container& c, const std::string& remote_id, const std::string& link
    ) const override {
        auto page = co_await source::read_children(graph, c, remote_id, link);
        if (page) {
            auto whole = co_await mail_folders::complete(graph, c, *page, remote_id);
            if (!whole) {
                co_return whole.error();
            }
            auto named = co_await known_.name_them(graph, c, *page->value);
            if (!named) {
                co_return named.error();
            }
        }
        co_return page;
    }

    std::optional<graph::call> listing_call(
        const index::container& c, const index::stream& s, std::uint64_t position, unsigned page_size
    ) const override {
        auto target = items_from(
            address(c) + "/mailFolders/" + segment(s.remote_id) + "/messages", members_of(s), position,
            page_size == 0 ? messages_a_page : page_size
        );
        return page_of_items(mailbox_call(c.owner_id, std::move(target), c.key), false);
    }

    bool is_sparse(const json& element, const index::stream& s) const override {
        return !s.is_main() && is_sparse_message(element);
    }

    std::optional<index::item_change> parse_item(const json& element, const index::stream& s) const override {
        if (is_root_element(element)) {
            return root_change(element);
        }
        if (mail_folders::is_untold(element)) {
            auto change = change_of(element);
            change->type = index::item_type::folder;
            change->same = true;
            return change;
        }
        if (const auto root = text(element, recoverable_mark); !root.empty()) {
            auto change = parse_mail_folder(element);
            if (change) {
                change->parent_remote_id = root;
                change->subfolder = recoverable_folder;
            }
            return change;
        }
        return s.is_main() ? parse_mail_folder(element) : parse_message(element, s.remote_id);
    }

    std::vector<index::item_change> parse_flat(const graph::flat_json& page, const index::stream& s)
        const override {
        std::vector<index::item_change> out;
        for (const auto& element : page.root().member("value").elements()) {
            if (auto change = parse_message(element, s.remote_id)) {
                out.push_back(std::move(*change));
            }
        }
        return out;
    }

    std::string mark_of(const json& meta) const override { return canonical(meta); }
    std::string hash_of(const json& meta) const override { return message_content_key(meta); }

    graph::call item_call(const index::container& c, const std::string& remote_id) const override {
        return mailbox_call(
            c.owner_id,
            address(c) + "/messages/" + segment(remote_id) + "?$select=" + std::string(message_members()),
            c.key
        );
    }

    graph::call folder_call(const index::container& c, const std::string& remote_id) const override {
        return mailbox_call(
            c.owner_id, address(c) + "/mailFolders/" + segment(remote_id) + "?$select=" + mail_folder_members,
            c.key
        );
    }

    content_kind content() const override { return content_kind::served; }

    graph::call content_call(const index::container& c, const std::string& remote_id, const std::string&)
        const override {
        return mailbox_call(c.owner_id, address(c) + "/messages/" + segment(remote_id) + "/$value", c.key);
    }

private:
    static constexpr const char* recoverable_mark = "m365stage.recoverable";
    static constexpr const char* recoverable_folder = "Recoverable Items";

    static std::string members_of(const index::stream& s) {
        return s.ids_only ? "id,changeKey" : std::string(message_members());
    }

    static std::string address(const index::container& c) {
        return mailbox_address(c.owner_kind, c.owner_id);
    }

    static std::string first_messages(const index::container& c, const index::stream& s) {
        return address(c) + "/mailFolders/" + segment(s.remote_id) +
               (s.listing ? "/messages" : "/messages/delta") + "?$select=" + members_of(s);
    }

    /// What the feed's page of folders leaves out. Without a link to go on from, the next round begins anew.
    task<core::result<void>> complete_feed(
        graph::client& graph, const index::container& c, const index::stream& s, graph::page& page
    ) const {
        auto whole = co_await mail_folders::complete(graph, c, page, "");
        if (whole) {
            whole = co_await folders_.add_children(graph, c, s, page);
        }
        co_return whole;
    }

    /// A page of the folder list; the first one of a full round begins with the root, which the feed does not
    /// bring.
    task<core::result<graph::page>> read_folders(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) const {
        if (!s.cursor.empty()) {
            co_return co_await graph.get_page(mailbox_call(c.owner_id, s.cursor, c.key, page_size));
        }
        auto root = co_await graph.get_json(mailbox_call(c.owner_id, address(c) + root_probe, c.key));
        if (!root) {
            co_return root.error();
        }
        auto first = page_of(root_element(text(*root, "id")));
        if (enabled_.recoverable_items) {
            auto added = co_await add_recoverable(graph, c, text(*root, "id"), *first.value);
            if (!added) {
                co_return added.error();
            }
        }
        if (s.listing) {
            co_return first;
        }
        auto target = address(c) + "/mailFolders/delta?includeHiddenFolders=true&$select=" +
                      std::string(mail_folder_members);
        auto page = co_await graph.get_page(mailbox_call(c.owner_id, std::move(target), c.key, page_size));
        if (page) {
            page->value->insert(page->value->begin(), first.value->begin(), first.value->end());
        }
        co_return page;
    }

    /// The folders in which Exchange keeps what users deleted for good. They lie outside of the mailbox's
    /// root: only one has a name that can be asked for (contract 6.1), and it knows where the others are.
    static task<core::result<bool>> add_recoverable(
        graph::client& graph, const index::container& c, std::string root, json& elements
    ) {
        const auto base = address(c) + "/mailFolders/";
        auto call = mailbox_call(
            c.owner_id, base + "recoverableitemsdeletions?$select=" + std::string(mail_folder_members), c.key
        );
        auto deletions = co_await graph.get_json(std::move(call));
        if (!deletions) {
            const auto& e = deletions.error();
            if (means_no_mailbox(e) || is_mailboxs_state(e)) {
                co_return false;  // there is none, or nobody may look into it
            }
            co_return e;
        }
        auto beside = mailbox_call(
            c.owner_id,
            base + segment(text(*deletions, "parentFolderId")) +
                "/childFolders?includeHiddenFolders=true&$top=" + std::to_string(mail_folders_a_page) +
                "&$select=" + mail_folder_members,
            c.key
        );
        auto all = co_await graph.get_page(std::move(beside));
        json found = all && !all->value->empty() ? std::move(*all->value) : json::array({*deletions});
        for (auto& element : found) {
            if (element.is_object()) {
                element[recoverable_mark] = root;
                elements.push_back(std::move(element));
            }
        }
        co_return true;
    }

    enabled_kinds enabled_;
    mutable known_folders known_;
    mutable mail_folders folders_;
};

}  // namespace

std::unique_ptr<source> make_mail_source(const enabled_kinds& enabled) {
    return std::make_unique<mail_source>(enabled);
}

}  // namespace m365stage::sources
