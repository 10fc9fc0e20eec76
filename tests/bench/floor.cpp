/// The least that "downloaded and durable" can cost: fetches every path of a list over TLS and leaves two
/// files for each answer, as m365stage must (contents and sidecar, written aside, made durable in batches,
/// renamed into place), and does nothing else: no pages, no index, no limits, no retries. What this program
/// reaches of wrk's rate is the most that any exporter can reach on that machine. See README.md.
///
///     bench_floor CA_FILE ORIGIN PATHS FOLDER CONNECTIONS [HEADER ...]
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t batch = 512;           // files behind one barrier
constexpr std::size_t files_a_folder = 200;  // as bench.py's drive of 20,000 files in 100 folders
constexpr std::size_t sidecar_bytes = 900;   // about what a file's sidecar has

[[noreturn]] void fail(const std::string& what) {
    std::perror(what.c_str());
    std::exit(1);
}

int checked(int result, const char* what) {
    if (result < 0) {
        fail(what);
    }
    return result;
}

/// Two folders on one file system, and who makes durable and renames what lies in the first.
class store {
public:
    explicit store(const std::string& root)
        : spool_(folder(root + "/spool")), tree_(folder(root + "/tree")) {}

    void save(std::size_t number, std::string_view body) {
        std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
        EVP_Digest(body.data(), body.size(), hash.data(), nullptr, EVP_sha256(), nullptr);
        const std::string name = std::to_string(number);
        write(name, body, true);
        write(name + ".json", std::string(sidecar_bytes, static_cast<char>('a' + hash[0] % 16)), false);
        const std::lock_guard lock(mutex_);
        waiting_.push_back(number);
        if (waiting_.size() >= batch) {
            ready_.notify_one();
        }
    }

    void no_more() {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        ready_.notify_one();
    }

    /// Until no_more(): a barrier for a batch, then two renames for each file of it.
    void apply() {
        std::vector<std::size_t> files;
        do {
            {
                std::unique_lock lock(mutex_);
                ready_.wait(lock, [&] { return ended_ || waiting_.size() >= batch; });
                files = std::exchange(waiting_, {});
            }
            checked(syncfs(spool_), "syncfs");
            for (const std::size_t number : files) {
                const std::string at = std::to_string(number / files_a_folder);
                if (mkdirat(tree_, at.c_str(), 0700) == 0) {
                    checked(mkdirat(tree_, (at + "/.m365").c_str(), 0700), "mkdir");
                }
                const std::string name = std::to_string(number);
                checked(renameat(spool_, name.c_str(), tree_, (at + "/" + name).c_str()), "rename");
                checked(
                    renameat(
                        spool_, (name + ".json").c_str(), tree_, (at + "/.m365/" + name + ".json").c_str()
                    ),
                    "rename"
                );
            }
        } while (!files.empty());
        checked(syncfs(spool_), "syncfs");
    }

private:
    static int folder(const std::string& path) {
        mkdir(path.c_str(), 0700);
        return checked(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), path.c_str());
    }

    void write(const std::string& name, std::string_view bytes, bool dated) const {
        const int file = checked(
            openat(spool_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), name.c_str()
        );
        if (::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
            fail(name);
        }
        if (dated) {
            const std::array<timespec, 2> times{timespec{1'700'000'000, 0}, timespec{1'700'000'000, 0}};
            checked(futimens(file, times.data()), name.c_str());
        }
        checked(close(file), "close");
    }

    int spool_;
    int tree_;
    std::mutex mutex_;
    std::condition_variable ready_;
    std::vector<std::size_t> waiting_;
    bool ended_ = false;
};

/// A kept connection with one request in flight.
struct connection {
    SSL* tls = nullptr;
    std::string in;
    std::size_t number = 0;  // of the path that is asked for
};

class client {
public:
    client(
        SSL_CTX* tls, std::string host, std::string port, const std::vector<std::string>& paths,
        std::string headers, store& files
    )
        : tls_(tls),
          host_(std::move(host)),
          port_(std::move(port)),
          paths_(paths),
          headers_(std::move(headers)),
          files_(files),
          events_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

    void run(std::size_t connections) {
        std::vector<std::unique_ptr<connection>> all;
        for (std::size_t i = 0; i < connections && next_ < paths_.size(); ++i) {
            all.push_back(std::make_unique<connection>());
            connect(*all.back());
            ask(*all.back());
        }
        std::array<epoll_event, 64> ready{};
        while (done_ < paths_.size()) {
            const int n = checked(epoll_wait(events_, ready.data(), ready.size(), -1), "epoll_wait");
            for (int i = 0; i < n; ++i) {
                read(*static_cast<connection*>(ready[static_cast<std::size_t>(i)].data.ptr));
            }
        }
    }

private:
    void connect(connection& c) {
        const int socket = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port_)));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        checked(::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
        const int on = 1;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c.tls = SSL_new(tls_);
        SSL_set_fd(c.tls, socket);
        SSL_set_tlsext_host_name(c.tls, host_.c_str());
        if (SSL_connect(c.tls) != 1) {
            ERR_print_errors_fp(stderr);
            fail("TLS with " + host_);
        }
        checked(fcntl(socket, F_SETFL, O_NONBLOCK), "fcntl");
        epoll_event event{EPOLLIN, {&c}};
        checked(epoll_ctl(events_, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
    }

    void ask(connection& c) {
        c.in.clear();
        c.number = next_++;
        const std::string request = "GET " + paths_[c.number] + " HTTP/1.1\r\nHost: " + host_ + ":" + port_ +
                                    "\r\n" + headers_ + "\r\n";
        if (SSL_write(c.tls, request.data(), static_cast<int>(request.size())) !=
            static_cast<int>(request.size())) {
            fail("request");
        }
    }

    void read(connection& c) {
        for (;;) {
            const int n = SSL_read(c.tls, buffer_.data(), static_cast<int>(buffer_.size()));
            if (n <= 0) {
                if (SSL_get_error(c.tls, n) == SSL_ERROR_WANT_READ) {
                    return;
                }
                fail("answer of " + paths_[c.number]);
            }
            c.in.append(buffer_.data(), static_cast<std::size_t>(n));
            if (const auto body = whole(c)) {
                files_.save(c.number, *body);
                ++done_;
                if (next_ == paths_.size()) {
                    return;
                }
                ask(c);
            }
        }
    }

    /// The body, once all of it has come. The server ends a body by its length or by an empty chunk.
    static std::optional<std::string> whole(const connection& c) {
        const auto end = c.in.find("\r\n\r\n");
        if (end == std::string::npos) {
            return std::nullopt;
        }
        if (!c.in.starts_with("HTTP/1.1 200")) {
            std::fprintf(stderr, "%s\n", c.in.c_str());
            fail("answer");
        }
        const std::string_view body = std::string_view(c.in).substr(end + 4);
        constexpr std::string_view field = "\r\nContent-Length: ";
        if (const auto length = c.in.find(field); length < end) {
            const std::size_t size = std::strtoull(c.in.c_str() + length + field.size(), nullptr, 10);
            return body.size() < size ? std::nullopt : std::optional<std::string>(body);
        }
        return body.ends_with("\r\n0\r\n\r\n") ? std::optional(joined(body)) : std::nullopt;
    }

    static std::string joined(std::string_view chunks) {
        std::string body;
        while (const std::size_t size = std::strtoull(chunks.data(), nullptr, 16)) {
            chunks.remove_prefix(chunks.find("\r\n") + 2);
            body.append(chunks.substr(0, size));
            chunks.remove_prefix(size + 2);
        }
        return body;
    }

    SSL_CTX* tls_;
    std::string host_;
    std::string port_;
    const std::vector<std::string>& paths_;
    std::string headers_;
    store& files_;
    int events_;
    std::size_t next_ = 0;
    std::size_t done_ = 0;
    std::array<char, 65536> buffer_{};
};

}  // namespace

int main(int count, char** words) {
    if (count < 6) {
        std::fputs("usage: bench_floor CA_FILE ORIGIN PATHS FOLDER CONNECTIONS [HEADER ...]\n", stderr);
        return 2;
    }
    const std::string origin = std::string(words[2]).substr(std::string_view("https://").size());
    const auto colon = origin.find(':');
    std::vector<std::string> paths;
    std::ifstream list(words[3]);
    for (std::string line; std::getline(list, line);) {
        paths.push_back(line);
    }
    std::string headers;
    for (int i = 6; i < count; ++i) {
        headers += std::string(words[i]) + "\r\n";
    }
    SSL_CTX* tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_read_ahead(tls, 1);
    if (SSL_CTX_load_verify_locations(tls, words[1], nullptr) != 1) {
        fail(words[1]);
    }
    store files(words[4]);
    std::thread applier([&] { files.apply(); });
    client(tls, origin.substr(0, colon), origin.substr(colon + 1), paths, headers, files)
        .run(std::stoul(words[5]));
    files.no_more();
    applier.join();
    return 0;
}
