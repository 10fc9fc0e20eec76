#include <map>
#include <nlohmann/json.hpp>

#include "async/group.hpp"
#include "restore/drive_restore.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

constexpr int most_at_once = 8;

/// Reads folder after folder; several at once.
class reader {
public:
    reader(context& with, bool last) : with_(with), last_(last) {}

    task<core::result<std::uint64_t>> run() {
        auto all = co_await with_.log.written_folders();
        folders_ = std::move(all);
        async::group group(with_.executor);
        for (int n = 0; n < most_at_once; ++n) {
            group.spawn(work());
        }
        co_await group.join();
        if (end_.has_error()) {
            co_return end_.error();
        }
        co_return open_;
    }

private:
    task<void> work() {
        while (next_ < folders_.size() && !end_.has_error()) {
            const auto at = next_++;
            if (!folders_[at].target.starts_with(mailbox_prefix)) {
                co_await check_folder(folders_[at]);
            }
        }
    }

    task<void> check_folder(journal::written_folder where) {
        const drive_calls calls(where.target);
        std::map<std::string, remote_item> there;
        auto call = calls.children(where.parent, "what was put back");
        for (;;) {
            auto page = co_await with_.graph.get_page(call);
            if (!page && page.error().kind != core::error_kind::not_found) {
                end_ = page.error();
                co_return;
            }
            if (!page) {
                break;  // the folder itself is gone
            }
            for (const auto& element : *page->value) {
                if (auto item = parse_remote_item(element)) {
                    auto id = item->id;
                    there.emplace(std::move(id), std::move(*item));
                }
            }
            if (page->next_link.empty()) {
                break;
            }
            call.target = page->next_link;
        }
        auto written = co_await with_.log.written_in(std::move(where));
        for (auto& [path, e] : written) {
            const auto found = there.find(e.id);
            const auto* item = found == there.end() ? nullptr : &found->second;
            co_await check_entry(calls, path, std::move(e), item);
        }
    }

    task<void> check_entry(const drive_calls& calls, std::string path, entry e, const remote_item* there) {
        if (there == nullptr) {
            // Gone since an earlier run put it there: it is put back again, once.
            e.state = last_ ? outcome::failed : outcome::open;
            e.detail = "it was put there, but it is not there any more";
            e.id.clear();
            open_ += last_ ? 0 : 1;
            with_.count.failed += last_ ? 1 : 0;
            co_await with_.log.put(std::move(path), std::move(e));
            co_return;
        }
        if (e.state != outcome::done) {
            co_return;
        }
        if (there->file && !is_same(*there, e) && !may_be_rewritten(e.name)) {
            e.state = outcome::failed;
            e.detail = "read back: " + std::to_string(there->size) + " bytes, hash " + there->hash +
                       "; sent: " + std::to_string(e.size) + " bytes, hash " + e.hash;
            ++with_.count.failed;
            co_await with_.log.put(std::move(path), std::move(e));
            co_return;
        }
        if (e.mtime != 0 && there->modified != e.mtime) {
            co_await set_time(calls, std::move(path), std::move(e));
        }
    }

    static bool is_same(const remote_item& there, const entry& e) {
        return there.size == e.size && (there.hash.empty() || e.hash.empty() || there.hash == e.hash);
    }

    /// Folders get a new time when something is put into them.
    task<void> set_time(const drive_calls& calls, std::string path, entry e) {
        const json body{{"fileSystemInfo", {{"lastModifiedDateTime", core::format_timestamp(e.mtime)}}}};
        auto call = calls.change(e.id, body, path);
        auto changed = co_await with_.graph.send(std::move(call));
        if (!changed) {
            e.state = outcome::failed;
            e.detail = "its time could not be set: " + core::describe(changed.error());
            ++with_.count.failed;
            co_await with_.log.put(std::move(path), std::move(e));
        }
    }

    context& with_;
    const bool last_;
    std::vector<journal::written_folder> folders_;
    std::size_t next_ = 0;
    std::uint64_t open_ = 0;
    core::result<void> end_;
};

}  // namespace

task<core::result<std::uint64_t>> read_back_drives(context& with, bool last) {
    reader r(with, last);
    auto open = co_await r.run();
    co_return open;
}

}  // namespace m365stage::restore
