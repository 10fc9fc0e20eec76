#include "sources/mail_known.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>

#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 14> names{
    "archive",   "clutter",   "conflicts",      "conversationhistory", "deleteditems",
    "drafts",    "inbox",     "junkemail",      "localfailures",       "outbox",
    "scheduled", "sentitems", "serverfailures", "syncissues"
};
// Mailboxes that are remembered; beyond that they are asked again.
constexpr std::size_t most_mailboxes = 2000;

bool has_folders(const json& page) {
    return std::any_of(page.begin(), page.end(), [](const json& one) {
        return one.is_object() && !is_root_element(one) && !is_removed(one);
    });
}

}  // namespace

task<core::result<std::vector<known_folders::known>>> known_folders::ask(
    graph::client& graph, const index::container& c
) {
    std::vector<known> out;
    for (const auto name : names) {
        auto target =
            mailbox_address(c.owner_kind, c.owner_id) + "/mailFolders/" + std::string(name) + "?$select=id";
        auto answer = co_await graph.get_json(mailbox_call(c.owner_id, std::move(target), c.key));
        if (!answer && !means_no_mailbox(answer.error())) {
            co_return answer.error();
        }
        if (answer) {
            known one;
            one.name = name;
            one.id_hash = std::hash<std::string>()(text(*answer, "id"));
            out.push_back(one);
        }
    }
    co_return out;
}

task<core::result<void>> known_folders::name_them(
    graph::client& graph, const index::container& c, json& page
) {
    if (!has_folders(page)) {
        co_return core::result<void>();
    }
    auto found = mailboxes_.find(c.owner_id);
    if (found == mailboxes_.end()) {
        auto asked = co_await ask(graph, c);
        if (!asked) {
            co_return asked.error();
        }
        if (mailboxes_.size() >= most_mailboxes) {
            mailboxes_.clear();
        }
        found = mailboxes_.insert_or_assign(c.owner_id, std::move(*asked)).first;
    }
    for (auto& one : page) {
        const auto hash = std::hash<std::string>()(text(one, "id"));
        for (const auto& k : found->second) {
            if (k.id_hash == hash && one.is_object() && !is_removed(one)) {
                one["wellKnownName"] = k.name;
            }
        }
    }
    co_return core::result<void>();
}

}  // namespace m365stage::sources
