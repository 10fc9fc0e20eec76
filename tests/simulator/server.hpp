#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "world.hpp"

/// The process' network side: three listeners and their connections, on one thread.
namespace m365stage::sim {

class server {
public:
    struct options {
        std::string listen = "127.0.0.1";
        std::uint16_t port = 0;
        std::uint16_t files_port = 0;
    };
    /// Opens the listeners. Throws std::runtime_error naming the address that could not be used.
    server(world& w, const options& o);
    ~server();
    std::uint16_t graph_port() const;
    std::uint16_t files_port() const;
    std::uint16_t plain_port() const;
    /// Serves until SIGTERM, SIGINT or stop().
    void run();
    /// Ends run(); may be called from another thread.
    void stop();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace m365stage::sim
