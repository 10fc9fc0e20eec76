#include "server.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <stdexcept>

namespace m365stage::test {
namespace {

sockaddr_in loopback(int port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(static_cast<std::uint16_t>(port));
    return at;
}

std::shared_ptr<SSL_CTX> make_context(const key_pair& identity) {
    std::shared_ptr<SSL_CTX> out(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    BIO* c = BIO_new_mem_buf(identity.certificate.data(), static_cast<int>(identity.certificate.size()));
    BIO* k = BIO_new_mem_buf(identity.key.data(), static_cast<int>(identity.key.size()));
    X509* cert = PEM_read_bio_X509(c, nullptr, nullptr, nullptr);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(k, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(out.get(), cert);
    SSL_CTX_use_PrivateKey(out.get(), key);
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(c);
    BIO_free(k);
    return out;
}

std::size_t content_length(std::string_view head) {
    std::string low(head);
    std::transform(low.begin(), low.end(), low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    constexpr std::string_view name = "\r\ncontent-length: ";
    const auto at = low.find(name);
    std::size_t out = 0;
    if (at != low.npos) {
        std::from_chars(low.data() + at + name.size(), low.data() + low.size(), out);
    }
    return out;
}

}  // namespace

peer::peer(int fd, SSL_CTX* tls) : fd_(fd) {
    if (tls) {
        ssl_ = SSL_new(tls);
        SSL_set_fd(ssl_, fd_);
    }
}

peer::~peer() {
    if (ssl_) {
        SSL_free(ssl_);
    }
}

bool peer::shake_hands(SSL_CTX* tls) {
    if (!ssl_) {
        ssl_ = SSL_new(tls);
        SSL_set_fd(ssl_, fd_);
    }
    const bool ok = SSL_accept(ssl_) == 1;
    ERR_clear_error();
    return ok;
}

bool peer::was_resumed() const {
    return ssl_ && SSL_session_reused(ssl_) == 1;
}

std::size_t peer::read_some(char* to, std::size_t size) {
    const auto n =
        ssl_ ? SSL_read(ssl_, to, static_cast<int>(size)) : static_cast<int>(::recv(fd_, to, size, 0));
    ERR_clear_error();
    return n > 0 ? static_cast<std::size_t>(n) : 0;
}

std::string peer::read_request() {
    char piece[16384];
    for (;;) {
        const auto end = pending_.find("\r\n\r\n");
        if (end != pending_.npos) {
            const std::size_t whole = end + 4 + content_length(std::string_view(pending_).substr(0, end + 2));
            if (pending_.size() >= whole) {
                std::string out = pending_.substr(0, whole);
                pending_.erase(0, whole);
                return out;
            }
        }
        const auto n = read_some(piece, sizeof piece);
        if (n == 0) {
            return {};
        }
        pending_.append(piece, n);
    }
}

void peer::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ssl_ ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                            : static_cast<int>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
        ERR_clear_error();
        if (n <= 0) {
            return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

void peer::wait_for_close() {
    char piece[4096];
    while (read_some(piece, sizeof piece) > 0) {
    }
}

bool peer::wait_for_close_at_most(std::chrono::milliseconds span) {
    pollfd one{fd_, POLLIN, 0};
    return ::poll(&one, 1, static_cast<int>(span.count())) == 0;
}

void peer::shutdown_and_drain() {
    if (ssl_) {
        SSL_shutdown(ssl_);
    }
    ::shutdown(fd_, SHUT_WR);
    char piece[16384];
    while (::recv(fd_, piece, sizeof piece, 0) > 0) {
    }
}

void peer::reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void peer::relay_to(int port) {
    const int other = ::socket(AF_INET, SOCK_STREAM, 0);
    const auto at = loopback(port);
    if (::connect(other, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) {
        pollfd both[2] = {{fd_, POLLIN, 0}, {other, POLLIN, 0}};
        char piece[16384];
        for (bool on = true; on && ::poll(both, 2, -1) > 0;) {
            for (int i = 0; i < 2 && on; ++i) {
                if (both[i].revents != 0) {
                    const auto n = ::recv(both[i].fd, piece, sizeof piece, 0);
                    on = n > 0 &&
                         ::send(both[1 - i].fd, piece, static_cast<std::size_t>(n), MSG_NOSIGNAL) == n;
                }
            }
        }
    }
    ::close(other);
}

std::string answer(std::string_view body, std::string_view fields, std::string_view status) {
    std::string out =
        "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    return out.append(fields).append("\r\n").append(body);
}

server::server(script run, const key_pair* identity) : script_(std::move(run)) {
    std::signal(SIGPIPE, SIG_IGN);
    if (identity) {
        tls_ = make_context(*identity);
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    auto at = loopback(0);
    socklen_t size = sizeof at;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener_, 256) != 0) {
        throw std::runtime_error("the test server can't listen");
    }
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

server::~server() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (int fd : open_) {
            ::shutdown(fd, SHUT_RDWR);
        }
    }
    for (auto& worker : workers_) {
        worker.join();
    }
    ::close(listener_);
}

std::string server::url(std::string_view path, std::string_view host) const {
    return std::string(tls_ ? "https://" : "http://") + std::string(host) + ":" + std::to_string(port_) +
           std::string(path);
}

std::vector<std::string> server::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

void server::record(std::string request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
}

void server::accept_all() {
    for (;;) {
        const int fd = ::accept(listener_, nullptr, nullptr);
        if (fd < 0) {
            return;
        }
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ++connections_;
        {
            const std::lock_guard lock(mutex_);
            open_.push_back(fd);
        }
        workers_.emplace_back([this, fd] { serve(fd); });
    }
}

void server::serve(int fd) {
    {
        peer p(fd, tls_.get());
        if (!tls_ || p.shake_hands(tls_.get())) {
            handshakes_ += tls_ ? 1 : 0;
            resumptions_ += p.was_resumed() ? 1 : 0;
            script_(p);
        }
    }
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
}

const key_pair& good_identity() {
    static const key_pair made = make_certificate(certificate_wish(), &test_authority());
    return made;
}

}  // namespace m365stage::test
