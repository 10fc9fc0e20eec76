#include "restore/drive_folder.hpp"

#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {

using nlohmann::json;

drive_folder::drive_folder(context& with, std::string target, drive_calls calls, std::string id, bool origin)
    : made_folder(with.executor, true),
      with_(with),
      target_(std::move(target)),
      calls_(std::move(calls)),
      id_(std::move(id)),
      origin_(origin),
      listed_(with.executor) {}

drive_folder::drive_folder(
    std::shared_ptr<drive_folder> parent, std::string path, std::string name, const object* o
)
    : made_folder(parent->with_.executor, false),
      with_(parent->with_),
      target_(parent->target_),
      calls_(parent->calls_),
      parent_(std::move(parent)),
      path_(std::move(path)),
      name_(std::move(name)),
      origin_(parent_->origin_),
      listed_(with_.executor) {
    if (o != nullptr && o->state == object_state::good) {
        mark_ = o->mark;
        item_ = o->meta.item;
        old_id_ = o->meta.id;
    }
}

task<core::result<void>> drive_folder::make() {
    auto above = co_await parent_->ensure();
    if (!above) {
        co_return above;
    }
    auto known = co_await with_.log.find(path_, mark_);
    entry e = std::move(known);
    if ((e.state == outcome::done || e.state == outcome::present) && e.parent == parent_->id()) {
        id_ = e.id;
        co_await with_.log.put(path_, std::move(e));
        co_return core::result<void>();
    }
    // Also where it is open, if it was once about to be made: its answer may have been lost.
    const bool may_be_ours = e.state == outcome::intended || (e.state == outcome::open && e.mtime != 0);
    e.kind = "folder";
    e.mark = mark_;
    e.target = target_;
    auto taken = co_await take_same(e);
    if (taken && !*taken) {
        e.parent = parent_->id();
        e.name = may_be_ours ? e.name : name_;
        taken = co_await take_named(e, may_be_ours);
    }
    if (!taken) {
        co_return co_await fail(std::move(e), taken.error());
    }
    if (!*taken) {
        co_return co_await create(std::move(e));
    }
    e.id = id_;
    e.detail.clear();
    co_await with_.log.put(path_, std::move(e));
    co_return core::result<void>();
}

/// The very folder, wherever in its drive it is and whatever it is called by now.
task<core::result<bool>> drive_folder::take_same(entry& e) {
    if (!origin_ || old_id_.empty()) {
        co_return false;
    }
    auto look = calls_.item(old_id_, path_);
    const auto answer = co_await with_.graph.get_json(std::move(look));
    if (!answer) {
        const bool unknown = core::is_transient(answer.error().kind) || ends_all(answer.error());
        co_return unknown ? core::result<bool>(answer.error()) : core::result<bool>(false);
    }
    const auto there = parse_remote_item(*answer);
    const auto* above = sources::member(*answer, "parentReference");
    const auto drive = above == nullptr ? std::string() : sources::text(*above, "driveId");
    const auto parent = above == nullptr ? std::string() : sources::text(*above, "id");
    const bool elsewhere = !drive.empty() && drive != calls_.drive();
    const bool gone = sources::member(*answer, "deleted") != nullptr;
    if (!there || !there->folder || there->id != old_id_ || parent.empty() || elsewhere || gone) {
        co_return false;
    }
    id_ = there->id;
    e.parent = parent;  // it is read back where it lies
    e.name = there->name;
    e.state = outcome::present;
    co_return true;
}

/// The folder that is called `e.name`. Where something else is, `e.name` becomes a name that is free, as far
/// as the conflict rule allows it.
task<core::result<bool>> drive_folder::take_named(entry& e, bool may_be_ours) {
    for (int number = 1;; ++number) {
        auto there = co_await parent_->find(e.name);
        if (!there) {
            co_return there.error();
        }
        if (!*there) {
            co_return false;
        }
        const auto& found = **there;
        bool others = found.ours;
        if (origin_ && found.folder && !others) {
            others = co_await with_.log.is_used(found.id, path_);  // one of the tree that was renamed
        }
        if (found.folder && (may_be_ours || !others)) {
            id_ = found.id;
            e.state = may_be_ours ? outcome::done : outcome::present;
            co_return true;
        }
        if (!others && with_.asked.conflict != conflict_rule::rename) {
            core::error taken(core::error_kind::conflict, "something that is no folder has its name there");
            taken.hint = "--conflict rename puts the folder beside it";
            co_return taken;
        }
        e.name = restored_name(name_, number);
    }
}

task<core::result<void>> drive_folder::create(entry e) {
    const auto staged = json::parse(item_, nullptr, false);
    const auto info = file_system_info(staged);
    if (const auto found = info.find("lastModifiedDateTime"); found != info.end()) {
        e.mtime = core::parse_timestamp(found->get<std::string>()).value_or(0);
    }
    e.state = outcome::intended;
    co_await with_.log.put(path_, e);  // with the time: whoever finds the folder made sets it in the end
    auto call = calls_.make_folder(parent_->id(), e.name, info, path_);
    auto answer = co_await with_.graph.get_json(std::move(call));
    const bool made = answer.has_value();
    if (!made && answer.error().kind == core::error_kind::conflict) {
        // Made by the try whose answer was lost, or by somebody since the folder was listed.
        auto look = calls_.child(parent_->id(), e.name, path_);
        answer = co_await with_.graph.get_json(std::move(look));
    }
    if (!answer) {
        co_return co_await fail(std::move(e), answer.error());
    }
    auto item = parse_remote_item(*answer);
    if (!item || !item->folder) {
        core::error odd(core::error_kind::conflict, "something that is no folder has its name there");
        co_return co_await fail(std::move(e), std::move(odd));
    }
    if (made) {
        listed_.set_done();  // a new folder is empty
    }
    id_ = item->id;
    item->ours = true;
    parent_->add(*item);
    e.id = id_;
    e.state = outcome::done;
    co_await with_.log.put(path_, std::move(e));
    co_await give_description(id_, staged, path_);
    co_return core::result<void>();
}

task<void> drive_folder::give_description(std::string id, const json& staged, std::string object) {
    if (!staged.is_object()) {
        co_return;
    }
    if (const auto text = staged.find("description"); text != staged.end() && text->is_string()) {
        const json body{{"description", *text}};
        auto call = calls_.change(id, body, std::move(object));
        co_await with_.graph.send(std::move(call));
    }
}

task<core::result<void>> drive_folder::fail(entry e, core::error why) {
    e.state = core::is_transient(why.kind) ? outcome::open : outcome::failed;
    e.detail = reason_of(why);
    co_await with_.log.put(path_, std::move(e));
    core::error out(why.kind, "its folder could not be made: " + why.cause);
    co_return out;
}

task<core::result<std::optional<remote_item>>> drive_folder::find(std::string name) {
    const auto list_it = [this] { return list(); };
    const auto listed = co_await listed_.run(list_it);
    if (!listed) {
        co_return listed.error();
    }
    const auto found = content_.find(folded(name));
    co_return found == content_.end() ? std::optional<remote_item>() : std::optional(found->second);
}

task<core::result<void>> drive_folder::list() {
    std::map<std::string, remote_item> all;
    auto call = calls_.children(id_, path_);
    const auto take = [&all](const json& element) {
        if (auto item = parse_remote_item(element)) {
            all[folded(item->name)] = std::move(*item);
        }
    };
    auto listed = co_await graph::each_element(with_.graph, std::move(call), take);
    if (!listed) {
        co_return listed;
    }
    // What was put there while the list came is known better here.
    for (auto& [name, item] : content_) {
        if (item.ours && !item.id.empty()) {
            all[name] = std::move(item);
        }
    }
    content_ = std::move(all);
    co_return core::result<void>();
}

void drive_folder::add(remote_item item) {
    auto name = folded(item.name);
    content_[std::move(name)] = std::move(item);
}

}  // namespace m365stage::restore
