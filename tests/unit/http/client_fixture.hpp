#pragma once

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "../../support/doctest_result.hpp"
#include "../../support/run_coro.hpp"
#include "http/http.hpp"
#include "server.hpp"

namespace m365stage::test {

using namespace std::chrono_literals;
using answer_result = core::result<http::response>;

/// Keeps what a download brought.
class memory_sink final : public http::body_sink {
public:
    http::task<core::result<void>> begin(const http::response& head) override {
        ++begun;
        status = head.status;
        coding = head.fields.find("Content-Encoding").value_or("");
        length = head.fields.find("Content-Length").value_or("");
        co_return core::result<void>();
    }
    http::task<core::result<void>> write(std::span<const std::byte> piece) override {
        bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        largest = std::max(largest, piece.size());
        co_return core::result<void>();
    }
    int begun = 0;
    int status = 0;
    std::size_t largest = 0;
    std::string bytes, coding, length;
};

/// A TLS server with a script, and a client that trusts it.
struct client_fixture {
    explicit client_fixture(
        test::server::script script, http::client_options options = {},
        const key_pair* identity = &good_identity()
    )
        : server(std::move(script), identity) {
        make_client(std::move(options));
    }
    ~client_fixture() { client.reset(); }

    void make_client(http::client_options options) {
        if (options.ca_file.empty()) {
            options.ca_file = test_authority_file();
        }
        auto made = http::make_client(io, std::move(options));
        REQUIRE(made);
        client = std::move(*made);
    }

    http::request get(std::string_view path) const {
        http::request out;
        out.url = server.url(path);
        return out;
    }

    answer_result send(http::request r) {
        answer_result out = http::response();
        run_coro(io, [&]() -> http::task<void> { out = co_await client->send(std::move(r)); });
        return out;
    }

    answer_result download(http::request r, http::body_sink& sink) {
        answer_result out = http::response();
        run_coro(io, [&]() -> http::task<void> { out = co_await client->download(std::move(r), sink); });
        return out;
    }

    test::server server;
    boost::asio::io_context io;
    std::unique_ptr<http::transport> client;
};

}  // namespace m365stage::test
