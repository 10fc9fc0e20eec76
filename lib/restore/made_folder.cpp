#include "restore/made_folder.hpp"

namespace m365stage::restore {

task<core::result<void>> made_folder::ensure() {
    while (working_) {
        co_await changed_.wait();
    }
    if (!settled_) {
        working_ = true;
        auto done = co_await make();
        settled_ = done.has_value() || !core::is_transient(done.error().kind);
        outcome_ = std::move(done);
        working_ = false;
        changed_.notify_all();
    }
    co_return outcome_;
}

}  // namespace m365stage::restore
