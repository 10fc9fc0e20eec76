#include "restore/execute.hpp"

#include "async/group.hpp"
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
        const bool none = away_.has_error() && unanswered_ == tried_;
        co_return !end_.has_error() && none ? away_ : end_;
    }

private:
    task<void> work() {
        while (next_ < plan_.parts.size() && !end_.has_error()) {
            const auto& part = plan_.parts[next_++];
            if (!part.obstacle.empty()) {
                co_await note_container(part, part.passing, part.obstacle);
                continue;
            }
            ++tried_;
            co_await with_.log.forget(part.from.path);  // what the round before could not do
            auto done = co_await restore_container(with_, *part.what, part.from, part.to);
            if (!done && ends_restore(done.error())) {
                end_ = done;
            } else if (!done) {
                co_await take_failure(part, done.error());
            }
        }
    }

    /// Only this container: the next ones may do better, unless the service is away.
    task<void> take_failure(const plan_part& part, core::error why) {
        co_await note_container(part, core::is_transient(why.kind), reason_at(part.from.path, why));
        stop_if_away(with_, why);
        if (core::exit_code_for(why.kind) == core::exit_code::unreachable) {
            ++unanswered_;
            away_ = std::move(why);
        }
    }

    task<void> note_container(const plan_part& part, bool passing, std::string why) {
        entry e;
        e.kind = "container";
        return note(
            with_, part.from.path, std::move(e), passing ? outcome::open : outcome::failed, std::move(why)
        );
    }

    context& with_;
    const plan& plan_;
    std::size_t next_ = 0, tried_ = 0;
    std::size_t unanswered_ = 0;  ///< of those that were tried
    core::result<void> end_, away_;
};

}  // namespace

task<core::result<void>> execute(context& with, const plan& p) {
    for (const auto& one : p.flawed) {
        entry e;
        e.kind = "container";
        co_await note(with, sidecar_part(one.path), std::move(e), outcome::failed, one.why);
    }
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
