#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "http/stream.hpp"

namespace m365stage::http {

/// A TCP connection as it is.
class plain_stream final : public stream {
public:
    explicit plain_stream(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

    task<io_result> read_some(char* to, std::size_t size) override;
    task<io_result> write_all(std::string_view bytes) override;
    void abort() noexcept override;
    bool looks_dead() override;

    boost::asio::ip::tcp::socket& socket() { return socket_; }

private:
    boost::asio::ip::tcp::socket socket_;
};

/// Of an idle connection. Nothing to read is what a healthy one looks like; bytes are a farewell (TLS
/// close_notify).
bool socket_looks_dead(boost::asio::ip::tcp::socket& socket);

}  // namespace m365stage::http
