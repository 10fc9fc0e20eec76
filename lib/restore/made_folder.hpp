#pragma once

#include "async/event.hpp"
#include "restore/kind.hpp"

namespace m365stage::restore {

/// A folder that is made (or found) once, however many wait for it. What failed in passing is tried again for
/// the next one that asks.
class made_folder : public target_folder {
public:
    task<core::result<void>> ensure() final;

protected:
    /// `there`: nothing has to be made.
    made_folder(boost::asio::any_io_executor executor, bool there) : changed_(executor), settled_(there) {}

    /// Makes it, and the folders above.
    virtual task<core::result<void>> make() = 0;

    async::event changed_;  ///< also for other things that are done once

private:
    bool settled_, working_ = false;
    core::result<void> outcome_;
};

}  // namespace m365stage::restore
