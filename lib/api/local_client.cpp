#include "api/local_client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <cstring>

namespace m365stage::api {
namespace {

using core::error_kind;
namespace beast = boost::beast;

constexpr std::uint64_t longest_answer = 64u << 20;

core::error failure(error_kind kind, std::string why, const std::string& socket, std::string hint) {
    core::error e(kind, std::move(why));
    e.operation = "ask the service at";
    e.object = socket;
    e.hint = std::move(hint);
    return e;
}

/// One connection with a deadline over all of it.
class exchange {
public:
    exchange(const std::string& socket, std::chrono::milliseconds longest)
        : socket_(socket),
          longest_(longest),
          deadline_(std::chrono::steady_clock::now() + longest),
          fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
    ~exchange() { ::close(fd_); }
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    core::result<void> connect() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (socket_.size() >= sizeof address.sun_path) {
            return failure(error_kind::usage, "the path is too long", socket_, "see api.socket");
        }
        std::memcpy(address.sun_path, socket_.data(), socket_.size());
        while (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            if (errno != EAGAIN || !wait(0, std::chrono::milliseconds(20))) {  // its queue is full
                return not_there(errno);
            }
        }
        return core::result<void>();
    }

    core::result<void> send(std::string_view text) {
        while (!text.empty()) {
            const auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (n > 0) {
                text.remove_prefix(static_cast<std::size_t>(n));
            } else if (errno == EAGAIN) {
                if (!wait(POLLOUT, longest_)) {
                    return late();
                }
            } else if (errno != EINTR) {
                return core::result<void>();  // it may have answered without reading all
            }
        }
        return core::result<void>();
    }

    core::result<local_answer> receive() {
        beast::http::response_parser<beast::http::string_body> parser;
        parser.body_limit(longest_answer);
        parser.eager(true);
        std::string unread;
        std::array<char, 16384> piece;
        while (!parser.is_done()) {
            const auto n = ::recv(fd_, piece.data(), piece.size(), 0);
            boost::system::error_code ec;
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n < 0 && errno == EAGAIN) {
                if (!wait(POLLIN, longest_)) {
                    return late();
                }
                continue;
            }
            if (n <= 0) {
                return gone();  // the service says how long an answer is: its end is never that of the answer
            }
            unread.append(piece.data(), static_cast<std::size_t>(n));
            unread.erase(0, parser.put(boost::asio::buffer(unread), ec));
            if (ec && ec != beast::http::error::need_more) {
                return gone();
            }
        }
        local_answer answer;
        answer.status = static_cast<int>(parser.get().result_int());
        constexpr int least = 200, most = 599;
        if (answer.status < least || answer.status > most) {
            return gone();
        }
        answer.body = std::move(parser.get().body());
        return answer;
    }

private:
    /// False if the deadline has come.
    bool wait(int events, std::chrono::milliseconds at_most) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline_ - std::chrono::steady_clock::now()
        );
        if (left.count() <= 0) {
            return false;
        }
        constexpr std::chrono::milliseconds hour(3'600'000);
        pollfd p{fd_, static_cast<short>(events), 0};
        ::poll(&p, events == 0 ? 0 : 1, static_cast<int>(std::min({left, at_most, hour}).count()));
        return true;
    }

    core::error not_there(int code) const {
        std::string why = std::strerror(code);
        std::string hint = "is it running? see 'systemctl status m365stage' and api.socket";
        if (code == ENOENT || code == ECONNREFUSED) {
            why = service_not_running;
        } else if (code == EACCES || code == EPERM) {
            hint = "run this as root or as a member of the socket's group";
        }
        return failure(error_kind::disk, why, socket_, hint);
    }

    core::error late() const {
        return failure(error_kind::busy, "no answer in time", socket_, "see 'm365stage status'");
    }

    core::error gone() const {
        return failure(
            error_kind::disk, "the service ended before it had answered", socket_,
            "done or not is unknown: once it runs, repeat this; its log tells why ('journalctl -u m365stage')"
        );
    }

    const std::string& socket_;
    std::chrono::milliseconds longest_;
    std::chrono::steady_clock::time_point deadline_;
    int fd_;
};

}  // namespace

core::result<local_answer> ask_local(
    const std::string& socket, std::string_view method, const std::string& target, const std::string& body,
    std::chrono::milliseconds longest
) {
    exchange x(socket, longest);
    if (auto connected = x.connect(); !connected) {
        return connected.error();
    }
    std::string text = std::string(method) + " " + target +
                       " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: m365stage\r\nConnection: close\r\n";
    if (!body.empty()) {
        text += "Content-Type: application/json\r\n";
    }
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    if (auto sent = x.send(text); !sent) {
        return sent.error();
    }
    return x.receive();
}

}  // namespace m365stage::api
