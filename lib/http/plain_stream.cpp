#include "http/plain_stream.hpp"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace m365stage::http {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {
constexpr auto token = asio::as_tuple(asio::use_awaitable);
}

task<io_result> plain_stream::read_some(char* to, std::size_t size) {
    return socket_.async_read_some(asio::buffer(to, size), token);
}

task<io_result> plain_stream::write_all(std::string_view bytes) {
    return asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), token);
}

void plain_stream::abort() noexcept {
    error_code ignored;
    socket_.close(ignored);
}

bool plain_stream::looks_dead() {
    return !socket_.is_open() || socket_looks_dead(socket_);
}

bool socket_looks_dead(asio::ip::tcp::socket& socket) {
    char byte = 0;
    const auto n = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return !(n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

}  // namespace m365stage::http
