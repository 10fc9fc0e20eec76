#include "http/tls_stream.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "http/plain_stream.hpp"
#include "http/tls.hpp"

namespace m365stage::http {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

// A connection whose data is always there already must not keep the others from running.
constexpr std::size_t fair_share_bytes = 256u << 10;

/// True if recv or send only has to be called again. Nothing else may mark the BIO for a retry: OpenSSL would
/// take a connection that was reset for one that has to be waited for.
bool may_retry(ssize_t n) {
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

tcp::socket::native_handle_type socket_of(BIO* bio) {
    return static_cast<tcp::socket*>(BIO_get_data(bio))->native_handle();  // -1 once it is closed
}

int read_socket(BIO* bio, char* to, int size) {
    BIO_clear_retry_flags(bio);
    const auto n = ::recv(socket_of(bio), to, static_cast<std::size_t>(size), 0);
    if (n == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    } else if (may_retry(n)) {
        BIO_set_retry_read(bio);
    }
    return static_cast<int>(n);
}

int write_socket(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    const auto n = ::send(socket_of(bio), from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (may_retry(n)) {
        BIO_set_retry_write(bio);
    }
    return static_cast<int>(n);
}

long control_socket(BIO* bio, int command, long, void*) {
    switch (command) {
        case BIO_CTRL_FLUSH:
            return 1;
        case BIO_CTRL_EOF:
            return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
        default:
            return 0;
    }
}

/// OpenSSL's own socket BIO, but for a closed peer that raises no SIGPIPE, and for a closed socket whose
/// number may be another file's already.
const BIO_METHOD* socket_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        BIO_meth_set_read(made, read_socket);
        BIO_meth_set_write(made, write_socket);
        BIO_meth_set_ctrl(made, control_socket);
        return made;
    }();
    return method;
}

bool wants_more(int verdict) {
    return verdict == SSL_ERROR_WANT_READ || verdict == SSL_ERROR_WANT_WRITE;
}

tcp::socket::wait_type awaited(int verdict) {
    return verdict == SSL_ERROR_WANT_WRITE ? tcp::socket::wait_write : tcp::socket::wait_read;
}

}  // namespace

void tls_stream::free_ssl::operator()(SSL* ssl) const {
    retire_tls(ssl);
    SSL_free(ssl);
}

tls_stream::tls_stream(tcp::socket socket, SSL_CTX* context)
    : socket_(std::move(socket)), ssl_(SSL_new(context)) {
    error_code ignored;  // a socket that can't be set so is not open, which every operation finds
    socket_.native_non_blocking(true, ignored);
    BIO* bio = BIO_new(socket_method());
    BIO_set_data(bio, &socket_);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

tls_stream::~tls_stream() = default;

/// One try; SSL_ERROR_NONE, WANT_READ, WANT_WRITE, or why it failed.
template <class Operation>
int tls_stream::attempt(const Operation& operation) {
    ERR_clear_error();
    errno = 0;
    const int done = operation();
    errno_ = errno;
    return SSL_get_error(ssl_.get(), done);
}

error_code tls_stream::failure(int verdict) const {
    if (verdict == SSL_ERROR_ZERO_RETURN) {
        return asio::error::eof;
    }
    const auto reason = ERR_peek_error();
    if (verdict == SSL_ERROR_SYSCALL && errno_ != 0) {
        return error_code(errno_, asio::error::get_system_category());
    }
    if (verdict == SSL_ERROR_SYSCALL || ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return asio::ssl::error::stream_truncated;
    }
    return error_code(static_cast<int>(reason), asio::error::get_ssl_category());
}

task<error_code> tls_stream::handshake() {
    for (;;) {
        const int verdict = attempt([this] { return SSL_connect(ssl_.get()); });
        if (verdict == SSL_ERROR_NONE) {
            co_return error_code();
        }
        if (!wants_more(verdict)) {
            co_return failure(verdict);
        }
        auto [ec] = co_await socket_.async_wait(awaited(verdict), token);
        if (ec) {
            co_return ec;
        }
    }
}

task<io_result> tls_stream::read_some(char* to, std::size_t size) {
    std::size_t got = 0;
    for (;;) {
        std::size_t n = 0;
        const int verdict = attempt([&] { return SSL_read_ex(ssl_.get(), to + got, size - got, &n); });
        got += n;
        if (got == size || (verdict == SSL_ERROR_NONE && SSL_has_pending(ssl_.get()) == 0)) {
            break;
        }
        if (verdict == SSL_ERROR_NONE) {
            continue;
        }
        if (got > 0) {
            break;  // should the connection have ended, the next read says so
        }
        if (!wants_more(verdict)) {
            co_return io_result(failure(verdict), 0);
        }
        without_pause_ = 0;
        auto [ec] = co_await socket_.async_wait(awaited(verdict), token);
        if (ec) {
            co_return io_result(ec, 0);
        }
    }
    without_pause_ += got;
    if (without_pause_ >= fair_share_bytes) {
        without_pause_ = 0;
        const auto executor = socket_.get_executor();
        co_await asio::post(executor, asio::use_awaitable);
    }
    co_return io_result(error_code(), got);
}

task<io_result> tls_stream::write_all(std::string_view bytes) {
    std::size_t put = 0;
    while (put < bytes.size()) {
        std::size_t n = 0;
        const auto rest = bytes.substr(put);
        const int verdict = attempt([&] { return SSL_write_ex(ssl_.get(), rest.data(), rest.size(), &n); });
        put += n;
        if (verdict == SSL_ERROR_NONE) {
            continue;
        }
        if (!wants_more(verdict)) {
            co_return io_result(failure(verdict), put);
        }
        auto [ec] = co_await socket_.async_wait(awaited(verdict), token);
        if (ec) {
            co_return io_result(ec, put);
        }
    }
    co_return io_result(error_code(), put);
}

void tls_stream::abort() noexcept {
    error_code ignored;
    socket_.close(ignored);
}

bool tls_stream::looks_dead() {
    return !socket_.is_open() || SSL_has_pending(ssl_.get()) != 0 || socket_looks_dead(socket_);
}

}  // namespace m365stage::http
