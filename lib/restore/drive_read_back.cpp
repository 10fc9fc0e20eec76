#include <map>
#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "restore/drive_columns.hpp"
#include "restore/drive_restore.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

/// Compares one folder.
class drive_reader {
public:
    drive_reader(context& with, const std::string& drive, bool last)
        : with_(with), calls_(drive), last_(last) {}

    task<core::result<std::uint64_t>> run(journal::written_folder where) {
        const auto parent = where.parent;
        auto written = co_await with_.log.written_in(std::move(where));
        co_await find_columns(written);
        std::map<std::string, remote_item> there;
        auto call = calls_.children(parent, "what was put back", !columns_.empty());
        graph::paged_list pages(with_.graph, std::move(call));
        for (;;) {
            const auto page = co_await pages.next();
            if (!page && page.error().kind != core::error_kind::not_found) {
                auto told = co_await note_unread(written.front(), page.error());
                co_return told ? core::result<std::uint64_t>(open_) : told.error();
            }
            if (!page || *page == nullptr) {
                break;  // not found: the folder itself is gone
            }
            for (const auto& element : **page) {
                if (auto item = parse_remote_item(element)) {
                    auto id = item->id;
                    co_await check_columns(id, element);
                    there.emplace(std::move(id), std::move(*item));
                }
            }
        }
        for (auto& [path, e] : written) {
            const auto found = there.find(e.id);
            const auto* item = found == there.end() ? nullptr : &found->second;
            co_await check_entry(path, std::move(e), item);
        }
        co_return open_;
    }

private:
    /// A folder that can't be read: what is in it may well be there. Tried once more, then told. Errors:
    /// those that concern everything.
    task<core::result<void>> note_unread(const std::pair<std::string, entry>& first, core::error why) {
        if (ends_all(why)) {
            co_return why;
        }
        stop_if_away(with_, why);
        open_ = last_ ? 0 : 1;
        if (last_) {
            const auto& path = first.first;
            const auto slash = path.rfind('/');
            // Folders of the target that are in no tree (`plan::shown`) end with a slash at the top.
            const bool top = slash != std::string::npos && path.find('/') == slash && path.starts_with(':');
            entry e;
            e.kind = "folder";
            e.detail = "what was put into it could not be read back: " + reason_of(why);
            e.state = core::is_transient(why.kind) ? outcome::open : outcome::failed;
            with_.count.failed += e.state == outcome::failed ? 1 : 0;
            const auto folder = slash == std::string::npos ? "" : path.substr(0, slash + (top ? 1 : 0));
            co_await with_.log.put(folder + "\nread back", std::move(e));
        }
        co_return core::result<void>();
    }

    /// The entries of columns that were written in this folder.
    task<void> find_columns(const std::vector<std::pair<std::string, entry>>& written) {
        for (const auto& [path, object] : written) {
            auto known = co_await with_.log.find(columns_path(path), object.mark);
            if (known.state == outcome::done) {
                columns_.emplace(object.id, std::make_pair(columns_path(path), std::move(known)));
            }
        }
    }

    task<void> check_columns(const std::string& id, const json& item) {
        const auto found = columns_.find(id);
        if (found == columns_.end()) {
            co_return;
        }
        const auto* list_item = sources::member(item, "listItem");
        const auto* fields = list_item != nullptr ? sources::member(*list_item, "fields") : nullptr;
        auto [path, e] = found->second;
        const auto wrong = differing_columns(e.hash, fields != nullptr ? *fields : json::object());
        if (!wrong.empty()) {
            co_await note(
                with_, std::move(path), std::move(e), outcome::failed,
                "read back: '" + wrong.front() + "' has another value than was written"
            );
        }
    }

    task<void> check_entry(std::string path, entry e, const remote_item* there) {
        if (there == nullptr) {
            // Gone since an earlier run put it there: it is put back again, once.
            auto open = co_await note_gone(with_, std::move(path), std::move(e), last_);
            open_ += open;
            co_return;
        }
        if (e.state != outcome::done) {
            co_return;
        }
        if (there->file && !is_same(*there, e)) {
            // The service may write into the file after the upload, once, a little later; it keeps the time.
            const bool its_own = is_rewrite(e, *there) && (!e.compared || there->modified == e.mtime);
            if (!its_own) {
                // Somebody works with it already, or something worse: what --conflict says decides.
                auto open = co_await note_open(
                    with_, std::move(path), std::move(e), "it was changed since it was put there", last_
                );
                open_ += open;
                co_return;
            }
            e.size = there->size;
            e.hash = there->hash;
            e.compared = false;
        }
        if (there->file && !e.compared && may_be_rewritten(e.name)) {
            e.compared = true;
            co_await with_.log.put(path, e);
        }
        if (e.mtime != 0 && there->modified != e.mtime) {
            co_await set_time(std::move(path), std::move(e));
        }
    }

    static bool is_same(const remote_item& there, const entry& e) {
        return there.size == e.size && (there.hash.empty() || e.hash.empty() || there.hash == e.hash);
    }

    /// Folders get a new time when something is put into them. One that can't be set has an entry of its own:
    /// the object stays done, so that the next run compares it again.
    task<void> set_time(std::string path, entry e) {
        const json body{{"fileSystemInfo", {{"lastModifiedDateTime", core::format_timestamp(e.mtime)}}}};
        auto call = calls_.change(e.id, body, path);
        auto changed = co_await with_.graph.send(std::move(call));
        if (changed) {
            co_return;
        }
        if (!last_) {
            ++open_;
            co_return;
        }
        entry part;
        part.kind = e.kind;
        co_await note(
            with_, path + "\ntime", std::move(part), outcome::failed,
            "it could not be set: " + reason_of(changed.error())
        );
    }

    context& with_;
    const drive_calls calls_;
    const bool last_;
    std::map<std::string, std::pair<std::string, entry>> columns_;  ///< by the item's id
    std::uint64_t open_ = 0;
};

}  // namespace

task<core::result<std::uint64_t>> read_back_drive_folder(
    context& with, journal::written_folder where, bool last
) {
    drive_reader r(with, parse_journal_target(where.target).second, last);
    auto open = co_await r.run(std::move(where));
    co_return open;
}

}  // namespace m365stage::restore
