#include "daemon/service_client.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/temp_folder.hpp"

using namespace m365stage;
using core::error_kind;
using nlohmann::json;

namespace {

/// Something at a socket that reads one request, answers with these bytes and is gone.
class peer {
public:
    explicit peer(std::string answer) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(socket().size() < sizeof address.sun_path);
        std::memcpy(address.sun_path, socket().c_str(), socket().size());
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener_, 1) == 0);
        thread_ = std::thread([this, text = std::move(answer)] {
            const int fd = ::accept(listener_, nullptr, nullptr);
            std::array<char, 4096> piece;
            for (std::string got; !is_whole(got);) {
                const auto n = ::recv(fd, piece.data(), piece.size(), 0);
                if (n <= 0) {
                    break;
                }
                got.append(piece.data(), static_cast<std::size_t>(n));
            }
            ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
            ::close(fd);
        });
    }
    ~peer() {
        thread_.join();
        ::close(listener_);
    }
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;
    std::string socket() const { return folder_.path() + "/s"; }

private:
    static bool is_whole(const std::string& request) {
        return request.find("\r\n\r\n") != std::string::npos && request.ends_with('}');
    }

    test::temp_folder folder_;
    int listener_ = -1;
    std::thread thread_;
};

std::string answer(const std::string& head, const std::string& body) {
    return "HTTP/1.1 " + head + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

constexpr std::chrono::seconds longest(10);

core::result<json> ask(const std::string& bytes) {
    const peer p(bytes);
    return daemon::ask_service(p.socket(), "POST", "/x", json{{"a", 1}}, longest);
}

core::result<void> tell(const std::string& bytes) {
    const peer p(bytes);
    return daemon::tell_service(p.socket(), "POST", "/x", json{{"a", 1}}, longest);
}

/// Nobody knows whether it was done: exit 5, and what to do about it.
void check_gone(const core::error& e) {
    CHECK(e.kind == error_kind::disk);
    CHECK(core::exit_code_for(e.kind) == core::exit_code::local);
    CHECK(core::describe(e).find("the service ended before it had answered") != std::string::npos);
    CHECK(e.hint.find("repeat") != std::string::npos);
}

}  // namespace

TEST_SUITE("daemon") {
    TEST_CASE("service client: a service that dies before its answer is whole has not answered") {
        for (const char* bytes :
             {"", "H", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 204 No Content\r\n",
              "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{}",
              "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "nonsense\r\n\r\n"}) {
            CAPTURE(bytes);
            const auto asked = ask(bytes);
            REQUIRE(asked.has_error());
            check_gone(asked.error());
            const auto told = tell(bytes);
            REQUIRE(told.has_error());
            check_gone(told.error());
        }
    }

    TEST_CASE("service client: a status that is none is no answer") {
        for (const char* status : {"000 X", "099 X", "100 Continue", "199 X", "600 X", "999 X"}) {
            CAPTURE(status);
            CHECK(ask(answer(status, "{}")).has_error());
            CHECK(tell(answer(status, "")).has_error());
        }
    }

    TEST_CASE("service client: who asks gets an object or an error, whatever it was answered") {
        CHECK(ask(answer("200 OK", R"({"a":1})")).value() == json{{"a", 1}});
        for (const char* body : {"", "null", "[]", "\"x\"", "7", "{", "<html>"}) {
            CAPTURE(body);
            for (const char* status : {"200 OK", "404 Not Found", "503 Service Unavailable"}) {
                CAPTURE(status);
                const auto asked = ask(answer(status, body));
                REQUIRE(asked.has_error());
                CHECK(asked.error().kind == error_kind::disk);
            }
        }
        CHECK(ask("HTTP/1.1 204 No Content\r\n\r\n").error().kind == error_kind::disk);
    }

    TEST_CASE("service client: noted is what the service says that it has noted, and nothing else") {
        CHECK(tell("HTTP/1.1 204 No Content\r\n\r\n").has_value());
        CHECK(tell(answer("200 OK", "{}")).error().kind == error_kind::disk);
        const auto refused =
            tell(answer("404 Not Found", R"({"error":{"kind":"not_found","message":"no"}})"));
        CHECK(refused.error().kind == error_kind::not_found);
        CHECK(refused.error().cause == "no");
    }
}
