#include "restore/spread.hpp"

#include "async/group.hpp"

namespace m365stage::restore {
namespace {

struct shared {
    shared(std::size_t n, std::function<task<core::result<void>>(std::size_t)> f)
        : count(n), one(std::move(f)) {}
    const std::size_t count;
    const std::function<task<core::result<void>>(std::size_t)> one;
    std::size_t next = 0;
    core::result<void> end;
};

task<void> work(shared& all) {
    while (all.next < all.count && !all.end.has_error()) {
        auto done = co_await all.one(all.next++);
        if (!done) {
            all.end = std::move(done);
        }
    }
}

}  // namespace

task<core::result<void>> spread(
    context& with, std::size_t count, int at_once, std::function<task<core::result<void>>(std::size_t)> one
) {
    shared all(count, std::move(one));
    std::vector<task<void>> workers;
    for (int n = 0; n < at_once; ++n) {
        workers.push_back(work(all));
    }
    co_await async::run_all(with.executor, std::move(workers));
    co_return all.end;
}

}  // namespace m365stage::restore
