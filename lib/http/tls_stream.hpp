#pragma once

#include <openssl/types.h>

#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "http/stream.hpp"

namespace m365stage::http {

/// TLS over a connected socket. OpenSSL reads and writes the socket itself: asio::ssl::stream passes every
/// byte through a pair of memory BIOs (two more copies) and asks the kernel for one record at a time.
class tls_stream final : public stream {
public:
    /// Errors: none; a connection that could not be set up fails its handshake.
    tls_stream(boost::asio::ip::tcp::socket socket, SSL_CTX* context);
    ~tls_stream() override;
    tls_stream(const tls_stream&) = delete;
    tls_stream& operator=(const tls_stream&) = delete;

    /// As the client. Not bounded in time: `abort` ends it.
    task<boost::system::error_code> handshake();

    task<io_result> read_some(char* to, std::size_t size) override;
    task<io_result> write_all(std::string_view bytes) override;
    void abort() noexcept override;
    bool looks_dead() override;

    SSL* native_handle() { return ssl_.get(); }

private:
    struct free_ssl {
        void operator()(SSL* ssl) const;
    };

    template <class Operation>
    int attempt(const Operation& operation);
    boost::system::error_code failure(int verdict) const;

    boost::asio::ip::tcp::socket socket_;
    std::unique_ptr<SSL, free_ssl> ssl_;
    int errno_ = 0;                  ///< of the last attempt
    std::size_t without_pause_ = 0;  ///< bytes read since this coroutine last let others run
};

}  // namespace m365stage::http
