#include "sources/mail_folders.hpp"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/log.hpp"
#include "graph/errors.hpp"
#include "graph/paging.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using core::error_kind;
using nlohmann::json;

constexpr const char* untold_mark = "m365stage.untold";
// Of one folder that may fail for ever; it is asked for again in the next pass.
constexpr unsigned most_tries = 3;
constexpr std::size_t most_mail_folders = 10'000;  // of one mailbox; a list that never ends is a fault
constexpr std::size_t most_rounds = 1000;

std::size_t hash_of(const json& element) {
    return std::hash<std::string>()(text(element, "id"));
}

bool is_live(const json& element) {
    return element.is_object() && !is_removed(element) && !text(element, "id").empty();
}

bool is_search(const json& element) {
    return text(element, "@odata.type") == "#microsoft.graph.mailSearchFolder";
}

bool is_whole(const json& element) {
    return !text(element, "displayName").empty() && !text(element, "parentFolderId").empty();
}

/// Marks that were put in beside what the service says ("m365stage.recoverable").
bool has_mark(const json& element) {
    for (const auto& [key, value] : element.items()) {
        if (key.starts_with("m365stage.")) {
            return true;
        }
    }
    return false;
}

/// True if the service says so of one folder, and others are none the worse.
bool is_the_folders_own(const core::error& e) {
    return e.kind == error_kind::not_found || e.kind == error_kind::forbidden ||
           e.kind == error_kind::locked || e.kind == error_kind::unsupported ||
           e.kind == error_kind::bad_request || e.kind == error_kind::server ||
           e.kind == error_kind::protocol;
}

/// A folder that is gone meanwhile is nobody's concern, unless it is not gone: the next round tells.
void note_doubt(graph::page& page, const core::error& e) {
    page.anew = page.partial = true;
    if (e.kind != error_kind::not_found) {
        page.doubt = e;
    }
}

bool may_have_children(const json& element) {
    const auto* count = member(element, "childFolderCount");
    return count == nullptr || !count->is_number() || *count != 0;
}

graph::call folder_at(const index::container& c, const std::string& below) {
    auto call =
        mailbox_call(c.owner_id, mailbox_address(c.owner_kind, c.owner_id) + "/mailFolders/" + below, c.key);
    call.max_attempts = most_tries;
    return call;
}

}  // namespace

bool mail_folders::is_untold(const json& element) {
    return is_true(element, untold_mark);
}

task<core::result<void>> mail_folders::complete(
    graph::client& graph, const index::container& c, graph::page& page, const std::string& below
) {
    std::string root;
    for (auto& element : *page.value) {
        if (!is_live(element) || is_root_element(element) || is_search(element) || has_mark(element)) {
            continue;
        }
        if (!below.empty() && text(element, "parentFolderId").empty()) {
            element["parentFolderId"] = below;
        }
        if (is_whole(element)) {
            continue;
        }
        auto target = segment(text(element, "id")) + "?$select=" + mail_folder_members;
        auto answer = co_await graph.get_json(folder_at(c, target));
        if (!answer && !is_the_folders_own(answer.error())) {
            co_return answer.error();
        }
        if (!answer) {
            core::log(core::log_level::warning, core::describe(answer.error()));
            note_doubt(page, answer.error());
            element[untold_mark] = true;
            continue;
        }
        if (answer->is_object()) {
            element.update(*answer);
        }
        if (!text(element, "parentFolderId").empty()) {
            continue;
        }
        if (root.empty()) {
            auto top = co_await graph.get_json(folder_at(c, "msgfolderroot?$select=id"));
            if (!top) {
                co_return top.error();
            }
            root = text(*top, "id");
        }
        element["parentFolderId"] = root;
    }
    co_return core::result<void>();
}

mail_folders::round mail_folders::take_round(const index::container& c, const index::stream& s) {
    const auto found = rounds_.find(c.owner_id);
    round out;
    if (found != rounds_.end()) {
        out = std::move(found->second);
        rounds_.erase(found);
    }
    return s.cursor.empty() ? round() : out;
}

void mail_folders::keep_round(const index::container& c, round r) {
    if (rounds_.size() >= most_rounds) {
        rounds_.clear();
    }
    rounds_.insert_or_assign(c.owner_id, std::move(r));
}

/// The way down from the folders of one page.
struct mail_folders::walk {
    walk(graph::client& g, const index::container& owner, graph::page& p)
        : graph(g), container(owner), page(p) {
        for (const auto& element : *page.value) {
            meet(element);
        }
    }

    /// Ids of folders to be asked, as they are met for the first time. False: it was met before.
    bool meet(const json& element) {
        if (!is_live(element) || !met.insert(hash_of(element)).second) {
            return false;
        }
        const bool ours = has_mark(element) && !is_root_element(element);
        if (!ours && !is_search(element) && may_have_children(element)) {
            left.push_back(text(element, "id"));
        }
        return true;
    }

    task<core::result<void>> run(std::vector<std::size_t>& found) {
        for (std::size_t asked = 0; !left.empty(); ++asked) {
            if (asked == most_mail_folders) {
                core::error e(error_kind::protocol, "the list of mail folders never ends");
                co_return std::move(e).on(container.key);
            }
            const auto id = std::move(left.back());
            left.pop_back();
            auto call = folder_at(
                container, segment(id) + "/childFolders?includeHiddenFolders=true&$top=" +
                               std::to_string(mail_folders_a_page) + "&$select=" + mail_folder_members
            );
            auto children = co_await graph::read_list(graph, std::move(call));
            if (!children && !is_the_folders_own(children.error())) {
                co_return children.error();
            }
            if (!children) {
                core::log(core::log_level::warning, core::describe(children.error()));
                note_doubt(page, children.error());
                continue;
            }
            auto taken = co_await take(id, std::move(*children), found);
            if (!taken) {
                co_return taken;
            }
        }
        co_return core::result<void>();
    }

    task<core::result<void>> take(std::string above, json children, std::vector<std::size_t>& found) {
        graph::page below;
        below.value = std::make_unique<json>(std::move(children));
        auto whole = co_await complete(graph, container, below, above);
        if (!whole) {
            co_return whole;
        }
        page.anew = page.anew || below.anew;
        page.partial = page.partial || below.partial;
        page.doubt = below.doubt.cause.empty() ? page.doubt : below.doubt;
        for (auto& child : *below.value) {
            if (!is_search(child) && meet(child)) {
                found.push_back(hash_of(child));
                page.value->push_back(std::move(child));
            }
        }
        co_return core::result<void>();
    }

    graph::client& graph;
    const index::container& container;
    graph::page& page;
    std::vector<std::string> left;
    std::unordered_set<std::size_t> met;
};

task<core::result<void>> mail_folders::add_children(
    graph::client& graph, const index::container& c, const index::stream& s, graph::page& page
) {
    auto so_far = take_round(c, s);
    for (const auto& element : *page.value) {
        if (is_live(element)) {
            so_far.told.insert(hash_of(element));
        }
    }
    walk down(graph, c, page);
    auto walked = co_await down.run(so_far.found);
    if (!walked) {
        co_return walked;
    }
    so_far.anew = so_far.anew || page.anew;
    if (!page.next_link.empty()) {
        keep_round(c, std::move(so_far));
        co_return core::result<void>();
    }
    const bool omits = std::any_of(so_far.found.begin(), so_far.found.end(), [&](std::size_t id) {
        return !so_far.told.contains(id);
    });
    // A round of changes tells few folders: what it leaves out may have been told before.
    page.anew = so_far.anew || (omits && s.round_full);
    co_return core::result<void>();
}

}  // namespace m365stage::sources
