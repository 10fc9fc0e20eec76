#pragma once

#include <string>

#include "async/worker.hpp"
#include "index/database.hpp"

namespace m365stage::index {

/// The index on its own thread: every call runs there, one after the other, in the order of the calls.
class store {
public:
    explicit store(const std::string& file, database::mode m = database::mode::read_write)
        : database_(file, m) {}

    /// Runs `fn(database&)` and gives what it returns. Errors: what it throws (core::fatal) arrives here.
    template <class Fn>
    async::task<std::invoke_result_t<Fn&, database&>> call(Fn fn) {
        auto bound = [this, fn = std::move(fn)]() mutable { return fn(database_); };
        return worker_.run(std::move(bound));
    }

    /// Direct use, before anything runs or after everything has ended.
    database& direct() { return database_; }

private:
    database database_;
    async::worker worker_{1};
};

}  // namespace m365stage::index
