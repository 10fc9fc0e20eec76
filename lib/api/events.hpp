#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <deque>
#include <list>
#include <memory>
#include <string>

#include "api/service.hpp"
#include "async/event.hpp"

namespace m365stage::api {

/// Passes what the service tells on to everybody who listens (server-sent events). A listener that does not
/// read is dropped: it holds at most `longest_queue` events. Network thread only.
class event_hub {
public:
    static constexpr std::size_t longest_queue = 64;

    event_hub(boost::asio::any_io_executor executor, service& about, std::size_t most_listeners);

    class listener {
    public:
        explicit listener(const boost::asio::any_io_executor& executor) : woken_(executor) {}

        /// The next event, as it goes over the wire; null after `longest` without one. Cancel: throws.
        async::task<std::shared_ptr<const std::string>> next(std::chrono::seconds longest);
        /// It was too slow, or the server ends: nothing more will come.
        bool is_over() const { return over_; }

    private:
        friend event_hub;
        std::deque<std::shared_ptr<const std::string>> queue_;
        async::event woken_;
        bool over_ = false;
    };

    /// Begins with the present state. Null: there are too many already.
    std::shared_ptr<listener> subscribe();
    std::size_t listeners() const;
    /// Tells all that nothing more will come.
    void close();

private:
    void publish(const char* what);
    std::shared_ptr<const std::string> event_text(const char* what);
    void forget_gone();

    boost::asio::any_io_executor executor_;
    service& service_;
    std::size_t most_listeners_;
    std::uint64_t number_ = 0;
    bool closed_ = false;
    std::list<std::weak_ptr<listener>> listeners_;
    std::shared_ptr<void> source_;
};

}  // namespace m365stage::api
