#pragma once

#include "async/once.hpp"
#include "restore/kind.hpp"

namespace m365stage::restore {

/// A folder that is made (or found) once, however many wait for it. What failed in passing is tried again for
/// the next one that asks.
class made_folder : public target_folder {
public:
    task<core::result<void>> ensure() final;

protected:
    /// `there`: nothing has to be made.
    made_folder(boost::asio::any_io_executor executor, bool there) : settled_(executor, there) {}

    /// Makes it, and the folders above.
    virtual task<core::result<void>> make() = 0;

private:
    task<core::result<void>> settle_outcome();

    async::once settled_;
    core::result<void> outcome_;
};

}  // namespace m365stage::restore
