#include "restore/made_folder.hpp"

namespace m365stage::restore {

task<core::result<void>> made_folder::ensure() {
    const auto settle = [this] { return settle_outcome(); };
    const auto settled = co_await settled_.run(settle);
    co_return settled ? outcome_ : settled;
}

task<core::result<void>> made_folder::settle_outcome() {
    auto done = co_await make();
    if (!done && core::is_transient(done.error().kind)) {
        co_return done;
    }
    outcome_ = std::move(done);
    co_return core::result<void>();
}

}  // namespace m365stage::restore
