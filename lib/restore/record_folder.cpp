#include "restore/record_folder.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "graph/paging.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::restore {
namespace {

using core::error_kind;
using nlohmann::json;
using sources::text;

constexpr const char* above_all = "top";  // in journals: the parent of folders that have none

}  // namespace

std::string record_target::address() const {
    return sources::mailbox_address("user", owner);
}

graph::call record_target::call(const std::string& below, std::string object, unsigned size) const {
    return sources::mailbox_call(owner, address() + below, std::move(object), size);
}

record_folder::record_folder(std::shared_ptr<record_target> target, std::string prefix)
    : made_folder(target->with.executor, true),
      target_(std::move(target)),
      name_(std::move(prefix)),
      listed_(target_->with.executor) {}

record_folder::record_folder(
    std::shared_ptr<record_folder> parent, std::string path, std::string name, const object* o
)
    : made_folder(parent->target_->with.executor, false),
      target_(parent->target_),
      parent_(std::move(parent)),
      path_(std::move(path)),
      name_(std::move(name)),
      listed_(target_->with.executor) {
    if (o != nullptr && o->state == object_state::good) {
        mark_ = o->mark;
        const auto item = json::parse(o->meta.item, nullptr, false);
        const auto& format = target_->format;
        known_ = parent_->parent_ == nullptr && parent_->name_.empty() &&
                 (text(item, "wellKnownName") == format.well_known_folder() ||
                  text(item, "wellknownListName") == format.well_known_folder());
    }
    if (!target_->format.nests() && !parent_->name_.empty()) {
        name_ = parent_->name_ + " " + name_;
    }
}

std::string record_folder::address() const {
    return target_->format.folders() + "/" + sources::segment(id_);
}

std::string record_folder::siblings() const {
    const auto& format = target_->format;
    const bool top = parent_->id_.empty() || !format.nests();
    return top ? format.folders() : parent_->address() + "/childFolders";
}

task<core::result<void>> record_folder::make() {
    auto above = co_await parent_->ensure();
    if (!above) {
        co_return above;
    }
    auto& with = target_->with;
    auto known = co_await with.log.find(path_, mark_);
    entry e = std::move(known);
    if (!e.id.empty()) {
        id_ = e.id;
        auto call = target_->call(address(), path_);
        auto there = co_await with.graph.send(std::move(call));
        if (there) {
            const auto state = e.state == outcome::present ? outcome::present : outcome::done;
            auto id = e.id;
            co_return co_await settle(std::move(e), std::move(id), state);
        }
        if (there.error().kind != error_kind::not_found) {
            co_return there.error();
        }
        id_.clear();
        e.id.clear();
        e.state = outcome::open;
    }
    e.kind = target_->format.folder_word();
    e.mark = mark_;
    e.target = target_->journal_name;
    e.parent = parent_->id_.empty() ? above_all : parent_->id_;
    e.name = name_;
    const bool may_be_ours = e.state == outcome::intended;
    auto found = co_await find_folder();
    if (!found) {
        co_return found.error();
    }
    if (!found->empty()) {
        const auto state = may_be_ours ? outcome::done : outcome::present;
        co_return co_await settle(std::move(e), std::move(*found), state);
    }
    co_return co_await create(std::move(e));
}

task<core::result<std::string>> record_folder::find_folder() {
    auto& with = target_->with;
    const auto& format = target_->format;
    // No list shows the default folder of contacts; where the sidecar does not tell that it is the one, its
    // name does.
    const bool top = parent_->id_.empty();
    if (format.nests() && (known_ || top)) {
        auto call = target_->call(format.folders() + "/" + format.well_known_folder(), path_);
        auto folder = co_await with.graph.get_json(std::move(call));
        if (!folder && (known_ || folder.error().kind != error_kind::not_found)) {
            co_return folder.error();
        }
        const auto id = folder ? text(*folder, "id") : std::string();
        const bool named = folder && folded(text(*folder, "displayName")) == folded(name_);
        if (known_ || (named && !target_->claimed.contains(id))) {
            co_return id;
        }
    }
    auto call = target_->call(siblings(), path_, records_a_page);
    auto all = co_await graph::read_list(with.graph, std::move(call));
    if (!all && !sources::is_not_offered(all.error())) {
        co_return all.error();
    }
    for (const auto& folder : all ? *all : json::array()) {
        const auto id = text(folder, "id");
        const bool same = known_ ? text(folder, "wellknownListName") == format.well_known_folder()
                                 : folded(text(folder, "displayName")) == folded(name_);
        if (same && !id.empty() && !target_->claimed.contains(id)) {
            co_return id;
        }
    }
    co_return std::string();
}

task<core::result<void>> record_folder::settle(entry e, std::string id, outcome state) {
    id_ = id;
    target_->claimed.insert(id);
    e.id = std::move(id);
    e.state = state;
    co_await target_->with.log.put(path_, std::move(e));
    co_return core::result<void>();
}

task<core::result<void>> record_folder::create(entry e) {
    auto& with = target_->with;
    e.state = outcome::intended;
    co_await with.log.put(path_, e);
    auto call = target_->call(siblings(), path_);
    call.verb = http::method::post;
    call.body = json{{"displayName", name_}}.dump(-1, ' ', false, json::error_handler_t::replace);
    call.idempotent = false;
    auto made = co_await with.graph.get_json(call);
    const bool nested = !parent_->id_.empty() && target_->format.nests();
    if (!made && nested && sources::is_not_offered(made.error())) {
        // Folders in folders are not made everywhere (contract 8.3): beside the one above, with its name.
        e.name = parent_->name_ + " " + name_;
        call.target = target_->address() + target_->format.folders();
        call.body = json{{"displayName", e.name}}.dump(-1, ' ', false, json::error_handler_t::replace);
        made = co_await with.graph.get_json(call);
    }
    if (!made) {
        auto found = co_await find_folder();  // made by a request whose answer was lost
        if (found && !found->empty()) {
            co_return co_await settle(std::move(e), std::move(*found), outcome::done);
        }
        auto noted = co_await note_failure(with, path_, std::move(e), made.error());
        co_return noted ? core::result<void>(made.error()) : noted;
    }
    listed_.set_done();  // it is empty
    auto id = text(*made, "id");
    co_return co_await settle(std::move(e), std::move(id), outcome::done);
}

task<core::result<void>> record_folder::list() {
    const auto& format = target_->format;
    auto call = target_->call(address() + format.items(), path_, records_a_page);
    by_key_.clear();
    by_identity_.clear();
    const auto take = [this, &format](const json& element) {
        const auto id = text(element, "id");
        const auto body = format.body_of(element);
        by_identity_.emplace(format.identity_of(body), id);
        by_key_.emplace(record_key(body), id);
    };
    co_return co_await graph::each_element(target_->with.graph, std::move(call), take);
}

std::set<std::string> record_folder::named(const std::string& identity) const {
    std::set<std::string> out;
    for (auto [at, end] = by_identity_.equal_range(identity); at != end; ++at) {
        out.insert(at->second);
    }
    return out;
}

task<core::result<std::optional<remote_record>>> record_folder::find(
    std::string identity, std::string key, std::set<std::string> others
) {
    const auto list_it = [this] { return list(); };
    const auto listed = co_await listed_.run(list_it);
    if (!listed) {
        co_return listed.error();
    }
    const auto free_one = [this](const auto& all, const std::string& wanted, const auto& passed_over) {
        const auto [begin, end] = all.equal_range(wanted);
        const auto at = std::find_if(begin, end, [&](const auto& one) {
            return !target_->claimed.contains(one.second) && !passed_over.contains(one.second);
        });
        return at == end ? std::string() : at->second;
    };
    remote_record out;
    out.id = free_one(by_key_, key, std::set<std::string>());
    out.same = !out.id.empty();
    out.id = out.same ? out.id : free_one(by_identity_, identity, others);
    co_return out.id.empty() ? std::nullopt : std::optional(std::move(out));
}

}  // namespace m365stage::restore
