#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "api/message.hpp"
#include "api/metrics.hpp"
#include "api/questions.hpp"
#include "api/router.hpp"
#include "api/service.hpp"
#include "async/event.hpp"
#include "async/group.hpp"

namespace m365stage::api {

/// Answers requests that are allowed and routed; everything but the event stream. Network thread only.
class handlers {
public:
    handlers(boost::asio::any_io_executor executor, service& of, traffic& seen);

    /// Never throws for what a client sent. Cancel: the service's task is cancelled.
    task<response> answer(route where, request r);

    /// True for what may take as long as a pass does: the client is watched meanwhile.
    static bool may_wait(endpoint e) { return e == endpoint::start_pass || e == endpoint::take_lease; }

    /// Waits for what still runs in the background.
    task<void> end();

private:
    task<response> metrics();
    task<response> status(request r);
    task<response> ask(core::result<question> made);
    task<response> start_pass(request r);
    task<response> take_lease(request r);
    task<response> job_word(route where, request r);
    task<response> end_lease(std::string job_id);
    task<response> approve(request r);
    task<void> refresh_numbers();

    boost::asio::any_io_executor executor_;
    service& service_;
    traffic& traffic_;
    unsigned questions_ = 0;  ///< being answered
    std::shared_ptr<const index_numbers> numbers_;
    std::chrono::steady_clock::time_point numbers_at_{};
    bool refreshing_ = false;
    async::event refreshed_;
    async::group background_;
};

}  // namespace m365stage::api
