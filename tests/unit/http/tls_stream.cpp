#include "http/tls_stream.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <optional>

#include "../../support/run_coro.hpp"

namespace m365stage::test {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// A stream whose peer has reset the connection.
struct reset_connection {
    reset_connection() {
        tcp::acceptor door(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
        tcp::socket near(io);
        near.connect(door.local_endpoint());
        auto far = door.accept();
        far.set_option(tcp::socket::linger(true, 0));
        far.close();
        near.wait(tcp::socket::wait_read);
        stream.emplace(std::move(near), context.native_handle());
    }

    asio::io_context io;
    asio::ssl::context context{asio::ssl::context::tls_client};
    std::optional<http::tls_stream> stream;
};

}  // namespace

TEST_SUITE("http: TLS stream") {
    TEST_CASE("a connection that was reset fails, and is not waited for") {
        reset_connection c;
        // The first operation takes the socket's own error away, so each one after it meets another.
        for (int n = 0; n < 3; ++n) {
            CAPTURE(n);
            error_code ec;
            run_coro(c.io, [&]() -> http::task<void> { ec = co_await c.stream->handshake(); });
            CHECK(ec);
            CHECK_FALSE(http::is_aborted(ec));
        }
    }

    TEST_CASE("a stream that was given up by us says so") {
        reset_connection c;
        c.stream->abort();
        CHECK(c.stream->looks_dead());
        error_code ec;
        run_coro(c.io, [&]() -> http::task<void> { ec = co_await c.stream->handshake(); });
        CHECK(http::is_aborted(ec));
    }
}

}  // namespace m365stage::test
