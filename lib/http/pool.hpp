#pragma once

#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "http/slots.hpp"
#include "http/stream.hpp"

namespace m365stage::http {

struct pool_limits {
    pool_limits() = default;
    std::size_t per_origin = 64;
    std::size_t total = 256;
    std::chrono::seconds keep_idle{55};
};

/// Keeps idle connections per origin and bounds how many are open. Idle connections have no pending read, so
/// they don't keep the io_context running. Threads: the io_context's thread only. Lifetime: outlives its
/// leases.
class pool {
public:
    /// What is known of one origin. Never removed: a client talks to a handful of them.
    struct origin {
        explicit origin(std::size_t limit) : slots(limit) {}
        struct idle {
            std::unique_ptr<stream> connection;
            steady::time_point since;
        };
        origin_slots slots;
        std::vector<idle> unused;  ///< the most recently used is last
        std::shared_ptr<session_slot> session = std::make_shared<session_slot>();
    };

    pool(boost::asio::io_context& io, pool_limits limits) : io_(io), limits_(limits), slots_(limits.total) {}

    /// The right to use one connection to an origin, with an idle connection if there was one. Gives the
    /// right back at its end and closes the connection, unless `keep` was called.
    class lease {
    public:
        lease(pool& owner, origin& at) : owner_(&owner), at_(&at) {}
        lease(lease&& other) noexcept;
        lease& operator=(lease&&) = delete;
        ~lease();

        std::unique_ptr<stream> connection;  ///< null: connect anew
        bool is_reused = false;
        const std::shared_ptr<session_slot>& session() const { return at_->session; }

        /// The connection is fit for another request.
        void keep();

    private:
        pool* owner_;
        origin* at_;
    };

    origin& at(const std::string& key);

    /// Waits for its turn (first come, first served; without a time limit, cancellable).
    task<lease> acquire(origin& at);

    /// Closes the idle connections of an origin: one has turned out stale, so have the others.
    void forget_idle(origin& at);

private:
    void fill(lease& l, origin& at);
    void put_back(origin& at, std::unique_ptr<stream> connection);
    void close_expired(steady::time_point now);
    void make_room();

    boost::asio::io_context& io_;
    pool_limits limits_;
    slot_table slots_;
    std::unordered_map<std::string, std::unique_ptr<origin>> origins_;
    std::size_t idle_ = 0;
    steady::time_point next_sweep_;
};

}  // namespace m365stage::http
