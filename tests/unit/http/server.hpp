#pragma once

#include <openssl/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "certificates.hpp"

namespace m365stage::test {

/// One accepted connection, blocking, as a script sees it.
class peer {
public:
    peer(int fd, SSL_CTX* tls);  ///< `tls` may be null: plain text
    ~peer();
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;

    /// TLS handshake. False if the client refused.
    bool shake_hands(SSL_CTX* tls);
    bool was_resumed() const;

    /// Header and body of the next request; empty when the client has closed.
    std::string read_request();
    void write(std::string_view bytes);
    /// Returns when the client has closed the connection: a condition to wait for instead of sleeping.
    void wait_for_close();
    /// True if the client is still there after `span`; false at once when it has closed.
    bool wait_for_close_at_most(std::chrono::milliseconds span);
    /// Says that nothing more will be sent, then reads until the client closes.
    void shutdown_and_drain();
    /// The connection will end with a reset.
    void reset();
    /// Passes bytes both ways between this client and 127.0.0.1:`port` until one side closes.
    void relay_to(int port);

private:
    friend class server;
    std::size_t read_some(char* to, std::size_t size);
    int fd_;
    SSL* ssl_ = nullptr;
    std::string pending_;
};

std::string answer(std::string_view body, std::string_view fields = "", std::string_view status = "200 OK");

/// A server on 127.0.0.1 with one thread per connection that runs `script`. Counts connections and keeps the
/// requests.
class server {
public:
    using script = std::function<void(peer&)>;

    /// `identity` null: plain text.
    explicit server(script run, const key_pair* identity = nullptr);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    int port() const { return port_; }
    std::string url(std::string_view path = "/", std::string_view host = "localhost") const;
    int connections() const { return connections_; }
    int handshakes() const { return handshakes_; }
    int resumptions() const { return resumptions_; }
    std::vector<std::string> requests() const;
    void record(std::string request);

private:
    void accept_all();
    void serve(int fd);

    script script_;
    std::shared_ptr<SSL_CTX> tls_;
    int listener_ = -1;
    int port_ = 0;
    std::atomic<int> connections_{0}, handshakes_{0}, resumptions_{0};
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    std::vector<int> open_;
    std::vector<std::thread> workers_;
    std::thread acceptor_;
};

/// A certificate for localhost and 127.0.0.1, signed by the tests' authority.
const key_pair& good_identity();

}  // namespace m365stage::test
