#include "restore/walk.hpp"

#include <algorithm>

#include "async/event.hpp"
#include "async/group.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

constexpr const char* no_room =
    "the rest was not tried, since there is no room: make room, and the same command goes on with it";

/// One container on its way back.
class walk {
public:
    walk(context& with, const kind& k, const container& from, const target& to)
        : with_(with), kind_(k), from_(from), writer_(k.begin(with, from, to)), changed_(with.executor) {}

    task<core::result<void>> run() {
        auto prepared = co_await prepare();
        if (!prepared) {
            co_return prepared;
        }
        std::vector<task<void>> workers;
        for (int n = 0; n < kind_.at_once(); ++n) {
            workers.push_back(work());
        }
        co_await async::run_all(with_.executor, std::move(workers));
        const bool full = end_.has_error() && end_.error().kind == core::error_kind::insufficient;
        if (!full) {
            co_return end_;
        }
        // What found no room is noted; only this container ends here.
        if (!jobs_.empty()) {
            entry rest;
            rest.kind = "container";
            co_await note(with_, from_.path, std::move(rest), outcome::open, no_room);
        }
        co_return core::result<void>();
    }

private:
    struct job {
        job() = default;
        folder_ptr folder;  ///< that it goes into
        std::string path;   ///< of the folder in the tree
        source_tree::name_pair name;
        bool is_folder = false;  ///< the whole content of `path` goes into `folder`
    };

    /// The folders between the container and the one that the restore starts from.
    task<core::result<void>> prepare() {
        auto folder = writer_->top();
        std::string path = from_.path;
        const auto& start = with_.tree.start();
        if (start.size() > path.size() && start.starts_with(path)) {
            for (const auto& local : split_path(start.substr(path.size()))) {
                auto o = with_.tree.read(path, {local, tree::sidecar_name(local)});
                if (o.state != object_state::good) {
                    o.state = object_state::no_sidecar;  // its name on disk has to do
                }
                path = tree::join_path(path, local);
                folder = writer_->inside(folder, o);
            }
        }
        if (with_.asked.select.empty()) {
            auto made = co_await folder->ensure();
            if (!made) {
                co_return made;
            }
        }
        job first;
        first.folder = std::move(folder);
        first.path = std::move(path);
        first.is_folder = true;
        jobs_.push_back(std::move(first));
        co_return core::result<void>();
    }

    /// Takes one job after the other, the newest first, so that few folders are open at a time.
    task<void> work() {
        while (true) {
            while (jobs_.empty() && active_ > 0 && !end_.has_error()) {
                co_await changed_.wait();
            }
            if (jobs_.empty() || end_.has_error()) {
                changed_.notify_all();
                co_return;
            }
            job next = std::move(jobs_.back());
            jobs_.pop_back();
            ++active_;
            if (next.is_folder) {
                co_await open_folder(std::move(next));
            } else {
                co_await take_object(std::move(next));
            }
            --active_;
            changed_.notify_all();
        }
    }

    task<void> open_folder(job next) {
        auto list = [this, path = next.path] { return with_.tree.names(path, with_.asked); };
        auto names = co_await with_.disk.run(std::move(list));
        if (!names) {
            entry e;
            e.kind = "folder";
            co_await note(with_, next.path, std::move(e), outcome::failed, reason_of(names.error()));
            co_return;
        }
        for (auto name = names->rbegin(); name != names->rend(); ++name) {
            job one;
            one.folder = next.folder;
            one.path = next.path;
            one.name = std::move(*name);
            jobs_.push_back(std::move(one));
        }
        changed_.notify_all();
    }

    task<void> take_object(job next) {
        auto read = [this, &next] { return with_.tree.read(next.path, next.name); };
        auto found = co_await with_.disk.run(std::move(read));
        const object o = std::move(found);
        if (o.meta.type == "container") {
            co_return;
        }
        const bool selected = with_.asked.selects(o.path);
        const auto verdict = kind_.judge(o, with_.asked);
        const bool quiet = verdict.action == decision::what::skip_quietly;
        if (is_entered(o)) {
            co_await enter(next, o, selected && !quiet);
        }
        if (!selected || quiet) {
            co_return;
        }
        with_.count.objects_done += o.folder && kind_.is_transparent(o) ? 0 : 1;
        if (verdict.action == decision::what::cannot) {
            entry e;
            e.kind = kind_.word_for(o);
            e.mark = o.mark;
            const auto path = is_entered(o) ? sidecar_part(o.path) : o.path;
            co_await note(with_, path, std::move(e), outcome::failed, verdict.why);
        } else if (!o.folder) {
            auto put = co_await writer_->put(next.folder, o);
            end_with(put);
        }
    }

    task<void> enter(const job& at, const object& o, bool selected) {
        auto folder = writer_->inside(at.folder, o);
        if (selected && !folder->only_with_content()) {
            auto made = co_await folder->ensure();
            if (!made && ends_all(made.error())) {
                end_with(made);
            } else if (!made) {
                stop_if_away(with_, made.error());
            }
            if (made && o.state == object_state::good && folder != at.folder) {
                co_await writer_->decorate(folder, o);
            }
        }
        job inside;
        inside.folder = std::move(folder);
        inside.path = o.path;
        inside.is_folder = true;
        jobs_.push_back(std::move(inside));
    }

    void end_with(const core::result<void>& done) {
        if (!done && !end_.has_error()) {
            end_ = done;
        }
    }

    context& with_;
    const kind& kind_;
    const container& from_;
    std::unique_ptr<writer> writer_;
    std::vector<job> jobs_;
    int active_ = 0;
    async::event changed_;
    core::result<void> end_;
};

}  // namespace

task<core::result<void>> restore_container(
    context& with, const kind& k, const container& from, const target& to
) {
    walk one(with, k, from, to);
    auto done = co_await one.run();
    co_return done;
}

}  // namespace m365stage::restore
