#include "async/group.hpp"
#include "restore/plan.hpp"
#include "restore/read_back.hpp"
#include "restore/walk.hpp"

namespace m365stage::restore {

namespace {

// Containers at a time. Each has objects of its own under way; a mailbox' limits leave the others room.
constexpr int containers_at_once = 4;

/// Puts every part back once, several at a time.
class round_of_parts {
public:
    round_of_parts(context& with, const plan& p) : with_(with), plan_(p) {}

    task<core::result<void>> run() {
        std::vector<task<void>> workers;
        workers.reserve(containers_at_once);
        for (int n = 0; n < containers_at_once; ++n) {
            workers.push_back(work());
        }
        co_await async::run_all(with_.executor, std::move(workers));
        co_return end_;
    }

private:
    task<void> work() {
        while (next_ < plan_.parts.size() && !end_.has_error()) {
            const auto& part = plan_.parts[next_++];
            core::result<void> done;
            if (part.obstacle.empty()) {
                done = co_await restore_container(with_, *part.what, part.from, part.to);
            }
            if (!done && core::exit_code_for(done.error().kind) != core::exit_code::some_failed) {
                end_ = done;
            } else if (!done || !part.obstacle.empty()) {
                entry e;
                e.kind = "container";
                const bool same = !done && done.error().object == part.from.path;
                const auto why = done   ? part.obstacle
                                 : same ? reason_of(done.error())
                                        : core::describe(done.error());
                co_await note(with_, part.from.path, std::move(e), outcome::failed, why);
            }
        }
    }

    context& with_;
    const plan& plan_;
    std::size_t next_ = 0;
    core::result<void> end_;
};

}  // namespace

task<core::result<void>> execute(context& with, const plan& p) {
    // A second round puts back what an earlier run did and what is gone since.
    for (int round = 0; round < 2; ++round) {
        with.count.phase = "putting back";
        with.count.objects_done = 0;
        round_of_parts parts(with, p);
        auto put = co_await parts.run();
        if (!put) {
            co_return put;
        }
        with.count.phase = "reading back";
        auto open = co_await read_back_all(with, round > 0);
        if (!open) {
            co_return open.error();
        }
        if (*open == 0) {
            break;
        }
    }
    co_return core::result<void>();
}

}  // namespace m365stage::restore
