#include "restore/drive_restore.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "restore/drive_columns.hpp"
#include "restore/drive_folder.hpp"
#include "restore/drive_permissions.hpp"
#include "restore/upload.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

// How often the name of a file is chosen anew when somebody else takes it in between.
constexpr int most_choices = 3;

/// True if the item has the bytes of the file, or those that the service announced when it was staged (it
/// serves some files otherwise than it announces them).
bool same_content(const remote_item& there, const local_file& file, const json& staged) {
    if (!there.file) {
        return false;
    }
    if (there.hash.empty()) {
        return there.size == file.size && (file.size == 0 || there.modified == file.mtime);
    }
    if (there.size == file.size && there.hash == file.quick_xor) {
        return true;
    }
    const auto announced = announced_item(staged);
    return announced && announced->hash == there.hash && announced->size == there.size;
}

/// The time of fileSystemInfo; 0: it has none.
core::unix_seconds modified_in(const json& staged) {
    const auto info = file_system_info(staged);
    const auto found = info.find("lastModifiedDateTime");
    return found == info.end() ? 0 : core::parse_timestamp(found->get<std::string>()).value_or(0);
}

class drive_writer final : public writer {
public:
    drive_writer(context& with, const kind& k, const target& to)
        : with_(with),
          uploads_(with.graph, with.tree.root(), with.disk),
          columns_(with, drive_calls(to.id), to.origin) {
        const auto name = journal_target(k, to);
        const bool in_place = to.below.empty();
        top_ = std::make_shared<drive_folder>(with, name, drive_calls(to.id), to.root, to.origin && in_place);
        std::string path = ":" + name;
        for (const auto& folder : to.below) {
            path = tree::join_path(path, folder);
            top_ = std::make_shared<drive_folder>(top_, path, folder, nullptr);
        }
    }

    folder_ptr top() override { return top_; }

    folder_ptr inside(folder_ptr above, const object& o) override {
        const bool named = o.state == object_state::good;
        auto parent = std::static_pointer_cast<drive_folder>(std::move(above));
        return std::make_shared<drive_folder>(std::move(parent), o.path, named ? o.meta.name : o.local, &o);
    }

    task<void> decorate(folder_ptr folder, const object& o) override {
        co_await give_rest(static_cast<const drive_folder&>(*folder).id(), o);
    }

    task<core::result<void>> put(folder_ptr into, const object& o) override {
        auto folder = std::static_pointer_cast<drive_folder>(std::move(into));
        co_await put_file(std::move(folder), o);
        co_return end_;
    }

private:
    task<void> fail_file(const object& o, entry e, core::error why) {
        auto noted = co_await note_failure(with_, o.path, std::move(e), std::move(why));
        if (!noted && !end_.has_error()) {
            end_ = std::move(noted);
        }
    }

    task<void> put_file(std::shared_ptr<drive_folder> folder, const object& o) {
        auto known = co_await with_.log.find(o.path, o.mark);
        entry e = std::move(known);
        if (e.state == outcome::done || e.state == outcome::present) {
            co_await with_.log.put(o.path, e);
            co_await give_rest(e.id, o);
            co_return;
        }
        e.kind = "file";
        e.mark = o.mark;
        auto ready = co_await folder->ensure();
        if (!ready) {
            co_await fail_file(o, std::move(e), ready.error());
            co_return;
        }
        if (e.parent != folder->id()) {
            e.state = outcome::open;  // a folder of an earlier run, which is gone
            e.session.clear();
        }
        e.target = folder->target();
        e.parent = folder->id();
        auto look = [this, &o] { return examine(with_.tree.root(), o.path); };
        auto examined = co_await with_.disk.run(std::move(look));
        if (!examined) {
            co_await fail_file(o, std::move(e), examined.error());
            co_return;
        }
        if (examined->sha256 != o.meta.sha256 || examined->size != o.meta.size) {
            co_await note(
                with_, o.path, std::move(e), outcome::failed,
                "its bytes are not those that its sidecar tells: this copy is damaged"
            );
            co_return;
        }
        e.size = examined->size;
        e.hash = examined->quick_xor;
        co_await place_file(*folder, o, *examined, std::move(e));
    }

    /// Chooses a name that nothing else has, and puts the file there.
    task<void> place_file(drive_folder& folder, const object& o, const local_file& file, entry e) {
        const auto staged = json::parse(o.meta.item, nullptr, false);
        for (int round = 0; round < most_choices; ++round) {
            bool replace = false;
            auto chosen = co_await choose_name(folder, o, file, staged, e, replace);
            if (!chosen) {
                co_await fail_file(o, std::move(e), chosen.error());
                co_return;
            }
            if (*chosen) {  // there is nothing to be sent
                if (e.state ==
                    outcome::done) {  // by a try that was cut off, perhaps before its times were set
                    auto timed = co_await set_times(folder, e.id, o, staged);
                    if (!timed) {
                        e.state = outcome::intended;
                        co_await fail_file(o, std::move(e), timed.error());
                        co_return;
                    }
                    e.mtime = modified_in(staged);  // writing columns moves it once more
                }
                const bool there = e.state == outcome::done || e.state == outcome::present;
                const auto id = e.id;
                co_await with_.log.put(o.path, std::move(e));
                if (there) {
                    co_await give_rest(id, o);
                }
                co_return;
            }
            e.state = outcome::intended;
            co_await with_.log.put(o.path, e);
            auto item = co_await send(folder, o, file, staged, e, replace);
            if (item) {
                co_await arrived(folder, o, staged, std::move(e), std::move(*item));
                co_return;
            }
            if (item.error().kind != core::error_kind::conflict || round + 1 == most_choices) {
                co_await fail_file(o, std::move(e), item.error());
                co_return;
            }
            // Somebody took the name since the folder was listed, or an answer was lost: look again.
            folder.forget_content();
        }
    }

    /// Sets e.name; true: the file is dealt with (it is there, or stays out), and `e` says how.
    task<core::result<bool>> choose_name(
        drive_folder& folder, const object& o, const local_file& file, const json& staged, entry& e,
        bool& replace
    ) {
        const bool may_be_ours = e.state == outcome::intended;
        const auto& wanted = o.meta.name;
        e.name = may_be_ours && !e.name.empty() ? e.name : wanted;
        for (int number = 1;; ++number) {
            auto there = co_await folder.find(e.name);
            if (!there) {
                co_return there.error();
            }
            if (!*there) {
                remote_item reserved;
                reserved.name = e.name;
                reserved.file = reserved.ours = true;
                folder.add(std::move(reserved));
                co_return false;
            }
            const auto& found = **there;
            const bool sibling = found.ours && !may_be_ours;  // another one of the tree, of the same name
            if (!sibling && same_content(found, file, staged)) {
                e.id = found.id;
                e.size = found.size;
                e.hash = found.hash;
                e.state = may_be_ours ? outcome::done : outcome::present;
                e.session.clear();
                co_return true;
            }
            if (!sibling && found.id.empty()) {
                co_return false;  // reserved by this very file
            }
            const auto rule = sibling ? conflict_rule::rename : with_.asked.conflict;
            if (rule == conflict_rule::replace && found.file) {
                replace = true;
                co_return false;
            }
            if (rule != conflict_rule::rename) {
                e.state = found.file ? outcome::skipped : outcome::failed;
                e.detail =
                    found.file ? "another version is there" : "something that is no file has its name there";
                co_return true;
            }
            e.name = restored_name(wanted, number);
        }
    }

    task<core::result<remote_item>> send(
        drive_folder& folder, const object& o, const local_file& file, const json& staged, entry& e,
        bool replace
    ) {
        auto info = file_system_info(staged);
        if (file.size > 0) {
            upload_place place;
            place.calls = folder.calls();
            place.parent = folder.id();
            place.name = e.name;
            place.replace = replace;
            place.info = &info;
            place.object = o.path;
            auto keep = [this, &o, &e](std::string session) -> task<void> {
                e.session = std::move(session);
                return with_.log.put(o.path, e);
            };
            auto moved = [this](std::int64_t n) { with_.count.bytes_done += static_cast<std::uint64_t>(n); };
            auto item = co_await uploads_.run(file, place, e.session, std::move(keep), std::move(moved));
            co_return item;
        }
        auto call = folder.calls().put_empty(folder.id(), e.name, replace, o.path);
        auto answer = co_await with_.graph.get_json(std::move(call));
        auto item = answer ? parse_remote_item(*answer) : std::nullopt;
        if (!item) {
            core::error odd(core::error_kind::protocol, "the service does not tell what it made");
            co_return answer ? std::move(odd).on(o.path) : answer.error();
        }
        auto timed = co_await set_times(folder, item->id, o, staged);
        if (!timed) {
            co_return timed.error();
        }
        co_return std::move(*item);
    }

    /// Errors: passing ones, and those that end everything. One that is refused its times is there all the
    /// same: reading back tries once more, and tells.
    task<core::result<void>> set_times(
        drive_folder& folder, const std::string& id, const object& o, const json& staged
    ) {
        const json body{{"fileSystemInfo", file_system_info(staged)}};
        if (!body["fileSystemInfo"].empty()) {
            auto call = folder.calls().change(id, body, o.path);
            auto changed = co_await with_.graph.send(std::move(call));
            if (!changed && (core::is_transient(changed.error().kind) || ends_all(changed.error()))) {
                co_return changed.error();
            }
        }
        co_return core::result<void>();
    }

    task<void> arrived(drive_folder& folder, const object& o, const json& staged, entry e, remote_item item) {
        item.ours = true;
        const bool same = item.size == e.size && (item.hash.empty() || item.hash == e.hash);
        folder.add(item);
        e.id = item.id;
        e.session.clear();
        if (!same && !is_rewrite(e, item)) {
            co_await note(
                with_, o.path, std::move(e), outcome::failed,
                "the service has other bytes than those that were sent"
            );
            co_return;
        }
        e.mtime = modified_in(staged);
        e.size = item.size;
        e.hash = item.hash;
        e.compared = false;
        e.state = outcome::done;
        e.detail.clear();
        const auto id = e.id;
        co_await with_.log.put(o.path, std::move(e));
        co_await folder.give_description(id, staged, o.path);
        co_await give_rest(id, o);
    }

    /// What belongs to it besides: columns, and rights if they are wanted.
    task<void> give_rest(const std::string& id, const object& o) {
        co_await columns_.put(id, o);
        if (with_.asked.permissions && !o.meta.permissions.empty()) {
            co_await restore_permissions(with_, top_->calls(), id, o);
        }
    }

    context& with_;
    upload uploads_;
    column_writer columns_;
    std::shared_ptr<drive_folder> top_;
    core::result<void> end_;
};

}  // namespace

bool may_be_rewritten(const std::string& name) {
    static constexpr std::array endings{".docx", ".xlsx", ".pptx", ".docm", ".xlsm", ".pptm",
                                        ".dotx", ".xltx", ".potx", ".pdf",  ".html", ".htm",
                                        ".aspx", ".csv",  ".txt",  ".jpg",  ".jpeg"};
    const auto low = folded(name);
    return std::any_of(endings.begin(), endings.end(), [&](const char* e) { return low.ends_with(e); });
}

bool is_rewrite(const entry& written, const remote_item& there) {
    // What is written into it is small beside a document; and it is taken for no document that was emptied.
    return may_be_rewritten(written.name) && there.size > written.size / 2;
}

std::unique_ptr<writer> make_drive_writer(context& with, const kind& k, const target& to) {
    return std::make_unique<drive_writer>(with, k, to);
}

}  // namespace m365stage::restore
