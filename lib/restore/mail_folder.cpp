#include "restore/mail_folder.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "sources/fields.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {

using nlohmann::json;
using sources::text;

bool is_restorable_well_known(std::string_view name) {
    static constexpr std::array known{"archive",    "clutter",   "conversationhistory", "deleteditems",
                                      "drafts",     "inbox",     "junkemail",           "sentitems",
                                      "syncissues", "conflicts", "localfailures",       "serverfailures"};
    return std::find(known.begin(), known.end(), name) != known.end();
}

bool is_month(const object& o) {
    const bool good = o.state == object_state::good;
    const auto& n = good ? o.meta.name : o.local;  // in the tree it may have a tag
    const bool named =
        o.folder && n.size() == 7 && n[4] == '-' &&
        std::all_of(n.begin(), n.end(), [](char c) { return c == '-' || (c >= '0' && c <= '9'); });
    if (good) {
        return named && sources::is_true(json::parse(o.meta.item, nullptr, false), "made");
    }
    return named && o.state != object_state::odd;  // its name has to do
}

mail_folder::mail_folder(context& with, std::string target, mail_calls calls, std::string id, bool origin)
    : made_folder(with.executor, true),
      with_(with),
      target_(std::move(target)),
      calls_(std::move(calls)),
      id_(std::move(id)),
      origin_(origin),
      top_(true),
      listed_(with.executor),
      children_listed_(with.executor) {}

mail_folder::mail_folder(
    std::shared_ptr<mail_folder> parent, std::string path, std::string name, const object* o
)
    : made_folder(parent->with_.executor, false),
      with_(parent->with_),
      target_(parent->target_),
      calls_(parent->calls_),
      parent_(std::move(parent)),
      path_(std::move(path)),
      name_(std::move(name)),
      origin_(parent_->origin_),
      listed_(with_.executor),
      children_listed_(with_.executor) {
    if (o != nullptr && o->state == object_state::good) {
        const auto item = json::parse(o->meta.item, nullptr, false);
        mark_ = o->mark;
        old_id_ = o->meta.id;
        // Of two folders of one name, the one that gave way in the tree gives way here: always the same one.
        name_ = o->local == tree::local_name(name_, old_id_) ? name_ : restored_name(name_, 1);
        hidden_ = sources::is_true(item, "isHidden");
        // In place only: below a new folder an inbox is a folder like any other.
        well_known_ = parent_->top_ || !parent_->well_known_.empty() ? text(item, "wellKnownName") : "";
    }
    if (!well_known_.empty() && !is_restorable_well_known(well_known_)) {
        stand_in_ = true;
        name_ += " (restored)";
        old_id_.clear();
        well_known_.clear();
    }
}

const mail_folder::child* mail_folder::named(const std::string& name, bool any) const {
    for (const bool exact : {true, false}) {
        for (const auto& c : children_) {
            const bool same = exact ? c.name == name : folded(c.name) == folded(name);
            if (same && (any || !c.ours)) {
                return &c;
            }
        }
    }
    return nullptr;
}

task<core::result<void>> mail_folder::make() {
    auto above = co_await parent_->ensure();
    if (!above) {
        co_return above;
    }
    auto known = co_await with_.log.find(path_, mark_);
    entry e = std::move(known);
    if ((e.state == outcome::done || e.state == outcome::present) && e.parent == parent_->id()) {
        const auto state = e.state;
        auto id = e.id;
        co_return co_await settle_in(std::move(e), std::move(id), state);
    }
    const bool may_be_ours = e.state == outcome::intended && e.parent == parent_->id();
    e.kind = "mail folder";
    e.mark = mark_;
    e.target = target_;
    e.parent = parent_->id();
    e.name = may_be_ours ? e.name : name_;
    if (!well_known_.empty()) {
        auto id = co_await well_known_id();
        if (!id && id.error().kind != core::error_kind::not_found) {
            co_return co_await fail(std::move(e), id.error());
        }
        if (id) {
            co_return co_await settle_in(std::move(e), std::move(*id), outcome::present);
        }
    }
    auto listed = co_await parent_->know_children();
    if (!listed) {
        co_return co_await fail(std::move(e), listed.error());
    }
    for (const auto& c : parent_->children_) {
        if (origin_ && c.id == old_id_ && !c.ours) {
            auto id = c.id;
            co_return co_await settle_in(std::move(e), std::move(id), outcome::present);
        }
    }
    for (int number = 1;; ++number) {
        const auto* there = parent_->named(e.name, true);
        if (there == nullptr) {
            break;
        }
        if (may_be_ours || !there->ours) {
            auto id = there->id;
            const auto state = may_be_ours ? outcome::done : outcome::present;
            co_return co_await settle_in(std::move(e), std::move(id), state);
        }
        e.name = restored_name(name_, number);
    }
    co_return co_await create(std::move(e));
}

/// The folder is known. It is noted in its parent as one of ours, so that a sibling of the same name becomes
/// another one.
task<core::result<void>> mail_folder::settle_in(entry e, std::string id, outcome state) {
    id_ = id;
    bool known = false;
    for (auto& c : parent_->children_) {
        known = known || c.id == id;
        c.ours = c.ours || c.id == id;
    }
    if (!known) {
        child one;
        one.id = id;
        one.name = e.name;
        one.ours = true;
        parent_->children_.push_back(std::move(one));
    }
    e.id = std::move(id);
    e.state = state;
    e.detail.clear();
    co_await with_.log.put(path_, std::move(e));
    co_return core::result<void>();
}

task<core::result<std::string>> mail_folder::well_known_id() {
    auto answer = co_await with_.graph.get_json(calls_.folder(well_known_, path_));
    if (!answer) {
        co_return answer.error();
    }
    co_return text(*answer, "id");
}

task<core::result<void>> mail_folder::create(entry e) {
    constexpr int most_tries = 4;
    for (int number = 1; number <= most_tries; ++number) {
        e.state = outcome::intended;
        co_await with_.log.put(path_, e);
        json body{{"displayName", e.name}};
        if (hidden_) {
            body["isHidden"] = true;
        }
        auto call = calls_.make_folder(parent_->id(), body, path_);
        auto answer = co_await with_.graph.get_json(std::move(call));
        if (answer) {
            listed_.set_done();  // a new folder is empty
            children_listed_.set_done();
            auto id = text(*answer, "id");
            co_return co_await settle_in(std::move(e), std::move(id), outcome::done);
        }
        const bool exists = answer.error().kind == core::error_kind::conflict;
        if (!exists && !core::is_transient(answer.error().kind)) {
            co_return co_await fail(std::move(e), answer.error());
        }
        // Made by the try whose answer was lost, or by somebody since the folders were listed.
        parent_->children_listed_.reset();
        auto listed = co_await parent_->know_children();
        if (!listed || number == most_tries) {
            co_return co_await fail(std::move(e), answer.error());
        }
        if (const auto* there = parent_->named(e.name, false)) {
            auto id = there->id;
            const auto state = exists ? outcome::present : outcome::done;
            co_return co_await settle_in(std::move(e), std::move(id), state);
        }
        // The service folds more letters than we do: what has the name is not found by it.
        e.name = exists ? restored_name(name_, number) : e.name;
    }
    co_return core::result<void>();
}

task<core::result<void>> mail_folder::fail(entry e, core::error why) {
    const bool later = core::is_transient(why.kind);
    core::error out(why.kind, "its folder could not be made: " + why.cause);
    if (!later) {
        co_await note(with_, path_, std::move(e), outcome::failed, reason_of(why));
    } else {
        e.detail = reason_of(why);
        co_await with_.log.put(path_, std::move(e));
    }
    co_return out;
}

task<core::result<void>> mail_folder::know_children() {
    const auto list_them = [this] { return list_children(); };
    co_return co_await children_listed_.run(list_them);
}

task<core::result<void>> mail_folder::list_children() {
    std::vector<child> all;
    const auto take = [&](const json& element) {
        child c;
        c.id = text(element, "id");
        c.name = text(element, "displayName");
        const bool search = text(element, "@odata.type").ends_with("mailSearchFolder");
        c.ours = std::any_of(children_.begin(), children_.end(), [&](const child& known) {
            return known.ours && known.id == c.id;
        });
        if (!c.id.empty() && !search) {
            all.push_back(std::move(c));
        }
    };
    auto call = calls_.child_folders(id_, path_);
    auto listed = co_await graph::each_element(with_.graph, std::move(call), take);
    if (!listed) {
        co_return listed;
    }
    children_ = std::move(all);
    co_return core::result<void>();
}

/// Lists the messages, or notes that they can't be listed.
task<core::result<void>> mail_folder::know_messages() {
    auto done = co_await list_messages();
    // A message that the service can't put into a page spoils the list, not the restore.
    unlistable_ = !done && (done.error().kind == core::error_kind::server ||
                            done.error().kind == core::error_kind::bad_request);
    co_return unlistable_ ? core::result<void>() : done;
}

task<core::result<void>> mail_folder::list_messages() {
    graph::paged_list pages(with_.graph, calls_.messages(id_, marks_, path_));
    for (;;) {
        const auto page = co_await pages.next();
        if (!page && marks_ && page.error().kind == core::error_kind::bad_request) {
            marks_ = false;  // it does not list extended properties: messages are told by what they are
            pages = graph::paged_list(with_.graph, calls_.messages(id_, false, path_));
            continue;
        }
        if (!page) {
            co_return page.error();
        }
        if (*page == nullptr) {
            co_return core::result<void>();
        }
        std::vector<journal::there> rows;
        for (const auto& element : **page) {
            const auto m = parse_remote_message(element);
            if (!m) {
                continue;
            }
            journal::there row;
            row.id = m->id;
            row.facts = sources::canonical(element);
            row.key = m->internet_id.empty() ? "self " + m->id : "id " + m->internet_id;
            rows.push_back(row);
            if (!m->mark.empty()) {
                row.key = "mark " + m->mark;
                rows.push_back(std::move(row));
            }
        }
        co_await with_.log.add_there(id_, std::move(rows));
    }
}

namespace {

std::string filter_of(const std::string& internet_id, const std::string& mark) {
    return internet_id.empty() ? "singleValueExtendedProperties/Any(ep: ep/id eq " +
                                     odata_text(mark_property) + " and ep/value eq " + odata_text(mark) + ")"
                               : "internetMessageId eq " + odata_text(internet_id);
}

}  // namespace

task<core::result<std::vector<remote_message>>> mail_folder::find(
    std::string internet_id, std::string mark, std::string old_id
) {
    const bool itself = internet_id.empty() && origin_ && !old_id.empty();
    const auto list_them = [this] { return know_messages(); };
    const auto listed = co_await listed_.run(list_them);
    if (!listed) {
        co_return listed.error();
    }
    if (unlistable_) {
        auto asked = co_await ask_for(filter_of(internet_id, mark));
        if (asked && asked->empty() && itself) {
            asked = co_await ask_for_itself(std::move(old_id));
        }
        co_return asked;
    }
    std::vector<remote_message> out;
    for (const auto& key : {"mark " + mark, itself ? "self " + old_id : "id " + internet_id}) {
        auto rows = co_await with_.log.find_there(id_, key);
        for (const auto& row : rows) {
            if (auto m = parse_remote_message(json::parse(row.facts, nullptr, false))) {
                out.push_back(std::move(*m));
            }
        }
    }
    co_return out;
}

task<core::result<std::vector<remote_message>>> mail_folder::find_now(
    std::string internet_id, std::string mark
) {
    auto asked = co_await ask_for(filter_of(internet_id, mark));
    if (asked || asked.error().kind != core::error_kind::bad_request) {
        co_return asked;
    }
    listed_.reset();  // no such filters there: the list tells it as well
    auto found = co_await find(std::move(internet_id), std::move(mark), std::string());
    co_return found;
}

/// In a folder that can't be listed.
task<core::result<std::vector<remote_message>>> mail_folder::ask_for_itself(std::string id) {
    std::vector<remote_message> out;
    auto call = calls_.message(id, path_);
    const auto answer = co_await with_.graph.get_json(std::move(call));
    if (!answer && (core::is_transient(answer.error().kind) || ends_all(answer.error()))) {
        co_return answer.error();
    }
    auto m = answer ? parse_remote_message(*answer) : std::nullopt;
    if (m && text(*answer, "parentFolderId") == id_) {
        out.push_back(std::move(*m));
    }
    co_return out;
}

task<core::result<std::vector<remote_message>>> mail_folder::ask_for(std::string filter) {
    std::vector<remote_message> out;
    auto call = calls_.matching(id_, filter, marks_, path_);
    const auto take = [&out](const json& element) {
        if (auto m = parse_remote_message(element)) {
            out.push_back(std::move(*m));
        }
    };
    const auto asked = co_await graph::each_element(with_.graph, std::move(call), take);
    if (!asked) {
        co_return asked.error();
    }
    co_return out;
}

}  // namespace m365stage::restore
