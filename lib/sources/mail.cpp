#include <nlohmann/json.hpp>

#include "sources/fields.hpp"
#include "sources/mail_item.hpp"
#include "sources/mail_known.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

// What the service gives at most in one page; more is cut to its own limit.
constexpr unsigned messages_a_page = 500;
constexpr unsigned folders_a_page = 250;

constexpr const char* root_probe = "/mailFolders/msgfolderroot?$select=id";
constexpr const char* no_archive = "in-place archive: Microsoft Graph does not serve it";
constexpr const char* no_conversations = "group conversations: they are not mail folders, and are not staged";

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
            return "mail folders/1";
        }
        return "messages/1 " + std::string(message_members());
    }

    task<core::result<graph::page>> read_page(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) const override {
        if (!s.is_main()) {
            auto target = s.cursor.empty() ? first_messages(c, s) : s.cursor;
            auto size = page_size == 0 ? messages_a_page : page_size;
            co_return co_await graph.get_page(mailbox_call(c.owner_id, std::move(target), c.key, size));
        }
        const auto size = page_size == 0 ? folders_a_page : page_size;
        auto page = co_await read_folders(graph, c, s, size);
        if (page) {
            auto named = co_await known_.name_them(graph, c, *page->value);
            if (!named) {
                co_return named.error();
            }
        }
        co_return page;
    }

    bool wants_listing(const core::error& e) const override { return is_delta_refused(e); }

    bool is_sparse(const json& element, const index::stream& s) const override {
        return !s.is_main() && is_sparse_message(element);
    }

    std::optional<index::item_change> parse_item(const json& element, const index::stream& s) const override {
        if (is_root_element(element)) {
            return root_change(element);
        }
        return s.is_main() ? parse_mail_folder(element) : parse_message(element, s.remote_id);
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
            c.owner_id, address(c) + "/mailFolders/" + segment(remote_id) + "?$select=" + folder_members,
            c.key
        );
    }

    content_kind content() const override { return content_kind::served; }

    graph::call content_call(const index::container& c, const std::string& remote_id, const std::string&)
        const override {
        return mailbox_call(c.owner_id, address(c) + "/messages/" + segment(remote_id) + "/$value", c.key);
    }

private:
    static constexpr const char* folder_members = "displayName,parentFolderId,isHidden";

    static std::string address(const index::container& c) {
        return mailbox_address(c.owner_kind, c.owner_id);
    }

    static std::string first_messages(const index::container& c, const index::stream& s) {
        return address(c) + "/mailFolders/" + segment(s.remote_id) +
               (s.listing ? "/messages" : "/messages/delta") + "?$select=" + std::string(message_members());
    }

    /// A page of the folder list; the first one of a full round begins with the root, which the feed does not
    /// bring.
    static task<core::result<graph::page>> read_folders(
        graph::client& graph, const index::container& c, const index::stream& s, unsigned page_size
    ) {
        if (!s.cursor.empty()) {
            co_return co_await graph.get_page(mailbox_call(c.owner_id, s.cursor, c.key, page_size));
        }
        auto root = co_await graph.get_json(mailbox_call(c.owner_id, address(c) + root_probe, c.key));
        if (!root) {
            co_return root.error();
        }
        auto target = address(c) + "/mailFolders" + (s.listing ? "" : "/delta") +
                      "?includeHiddenFolders=true&$select=" + folder_members;
        auto page = co_await graph.get_page(mailbox_call(c.owner_id, std::move(target), c.key, page_size));
        if (page) {
            page->value->insert(page->value->begin(), root_element(text(*root, "id")));
        }
        co_return page;
    }

    enabled_kinds enabled_;
    mutable known_folders known_;
};

}  // namespace

std::unique_ptr<source> make_mail_source(const enabled_kinds& enabled) {
    return std::make_unique<mail_source>(enabled);
}

}  // namespace m365stage::sources
