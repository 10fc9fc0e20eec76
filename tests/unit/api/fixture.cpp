#include "fixture.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include "http/text.hpp"

namespace m365stage::test {

temporary_folder::temporary_folder() {
    path = (std::filesystem::temp_directory_path() / "m365-api-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
}

temporary_folder::~temporary_folder() {
    std::filesystem::remove_all(path);
}

made_up_service::made_up_service(boost::asio::io_context& io, const std::string& index_file)
    : db_(index_file, index::database::mode::read_write), ended_(io.get_executor()) {
    now.started_at = 1'795'000'000;
    now.authenticated = true;
    db_.script(
        "INSERT INTO container (id, key, at_key, kind, owner_kind, owner_id, owner_name, remote_id, name, "
        "root_item, "
        "round, live_items, live_bytes) VALUES (1, 'users/ann/onedrive', 'users/ann/onedrive', 'drive', "
        "'user', 'u', "
        "'ann', 'D', 'OneDrive', 1, 7, 3, 12);"
        "INSERT INTO item (id, container_id, remote_id, type, parent, name, at_parent, at_name, size, "
        "sha256) VALUES "
        "(1, 1, 'R', 2, NULL, 'root', NULL, NULL, NULL, NULL), (2, 1, 'F', 2, 1, 'folder', 1, 'folder', "
        "NULL, NULL), "
        "(3, 1, 'A', 1, 2, 'a.txt', 2, 'a.txt', 3, x'00ff'), (4, 1, 'B', 1, 1, 'b.txt', 1, 'b.txt', 9, "
        "x'01');"
        "INSERT INTO generation (id, started_at, finished_at, created) VALUES (1, 1000, 2000, 3);"
        "INSERT INTO change (id, generation, item_id, what, type, new_path) VALUES (1, 1, 2, 1, 2, "
        "'users/ann/onedrive/folder'), (2, 1, 3, 1, 1, 'users/ann/onedrive/folder/a.txt'), (3, 1, 4, 1, 1, "
        "'users/ann/onedrive/b.txt');"
        "INSERT INTO pass (id, started_at, finished_at, outcome, generation, numbers) VALUES (1, 1000, 2000, "
        "'complete', 1, '{\"requests\": 12, \"seconds\": 1.5}');"
    );
}

void made_up_service::end_pass() {
    end_ = true;
    ended_.notify_all();
}

void made_up_service::tell(const char* what) {
    if (listener_) {
        (*listener_)(what);
    }
}

api::task<core::result<std::string>> made_up_service::ask(
    std::function<core::result<std::string>(index::database&)> question
) {
    if (index_broken) {
        co_return core::error(core::error_kind::index, "the file is damaged");
    }
    co_return question(db_);
}

api::task<void> made_up_service::wait_for_end() {
    ++waiting;
    try {
        while (!end_) {
            co_await ended_.wait();
        }
    } catch (const boost::system::system_error&) {
        ++cancelled;
        --waiting;
        throw;
    }
    --waiting;
}

api::task<core::result<sync::pass_summary>> made_up_service::pass(api::pass_request request) {
    heard.push_back("pass " + request.only + " " + std::to_string(request.max_age));
    co_await wait_for_end();
    sync::pass_summary s;
    s.outcome = "complete";
    s.generation = 2;
    co_return s;
}

bool made_up_service::start_pass(api::pass_request request) {
    heard.push_back("start " + request.only);
    return true;
}

api::task<core::result<api::lease_grant>> made_up_service::take_lease(api::lease_request request) {
    if (lease_refusal) {
        co_return *lease_refusal;
    }
    co_await wait_for_end();
    api::lease_grant g;
    g.lease.job_id = request.job_id;
    g.lease.holder = request.job_name;
    g.lease.since = 1000;
    g.lease.until = 1000 + request.duration;
    co_return g;
}

api::task<core::result<void>> made_up_service::job_read(std::string job_id, std::string status) {
    heard.push_back("read " + job_id + " " + status);
    co_return core::result<void>();
}

api::task<core::result<void>> made_up_service::job_ended(std::string job_id, std::string status) {
    heard.push_back("ended " + job_id + " " + status);
    co_return core::result<void>();
}

api::task<core::result<void>> made_up_service::end_lease(std::string job_id) {
    co_return core::error(core::error_kind::usage, "job " + job_id + " holds no lease");
}

api::task<core::result<index::held_container>> made_up_service::approve_guard(std::string container) {
    co_return index::approve_guard(db_, container);
}

std::shared_ptr<void> made_up_service::listen(listener l) {
    listener_ = std::make_shared<listener>(std::move(l));
    return listener_;
}

namespace {

std::string index_in(const temporary_folder& folder) {
    return folder.path + "/index.db";
}

}  // namespace

running::running(const std::function<void(api::server_options&)>& change) : service(io, index_in(folder)) {
    std::ofstream(folder.path + "/token") << token << "\n";
    api::server_options o;
    o.socket = socket_path();
    o.listen = "127.0.0.1:0";
    o.token_file = folder.path + "/token";
    if (change) {
        change(o);
    }
    auto opened = api::server::open(io, service, o);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : core::describe(opened.error())));
    server = std::move(*opened);
    boost::asio::co_spawn(io, server->run(), [](std::exception_ptr e) {
        if (e) {
            std::rethrow_exception(e);
        }
    });
    thread_ = std::thread([this] { io.run(); });
}

running::~running() {
    stop_and_join();
}

void running::stop_and_join() {
    if (thread_.joinable()) {
        on_thread([this] { server->stop(); });
        thread_.join();
    }
}

void running::on_thread(const std::function<void()>& fn) {
    std::promise<void> done;
    boost::asio::post(io, [&] {
        fn();
        done.set_value();
    });
    done.get_future().wait();
}

void running::wait_until(const std::function<bool()>& condition) {
    const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    bool met = false;
    while (!met && std::chrono::steady_clock::now() < latest) {
        on_thread([&] { met = condition(); });
        std::this_thread::yield();
    }
    REQUIRE(met);
}

std::string reply::field(std::string_view name) const {
    std::size_t at = head.find("\r\n");
    while (at != std::string::npos) {
        at += 2;
        const auto end = head.find("\r\n", at);
        const auto line = std::string_view(head).substr(at, end - at);
        const auto colon = line.find(": ");
        if (colon != std::string_view::npos && http::equal_names(line.substr(0, colon), name)) {
            return std::string(line.substr(colon + 2));
        }
        at = end;
    }
    return {};
}

client::client(const running& to, bool tcp) {
    fd_ = ::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int connected = -1;
    if (tcp) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(to.server->port());
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected = ::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    } else {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        to.socket_path().copy(at.sun_path, sizeof at.sun_path - 1);
        connected = ::connect(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    }
    REQUIRE(connected == 0);
}

client::~client() {
    close();
}

client::client(client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

void client::close() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

void client::shutdown_sending() {
    ::shutdown(fd_, SHUT_WR);
}

void client::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) {
            return;  // the server has closed: what it answered says why
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

bool client::read_more() {
    char piece[16384];
    const auto n = ::recv(fd_, piece, sizeof piece, 0);
    if (n > 0) {
        buffer_.append(piece, static_cast<std::size_t>(n));
    }
    return n > 0;
}

std::string client::read_until(std::string_view mark) {
    std::size_t at = buffer_.find(mark);
    while (at == std::string::npos && read_more()) {
        at = buffer_.find(mark);
    }
    const auto size = at == std::string::npos ? buffer_.size() : at + mark.size();
    auto out = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return out;
}

bool client::is_closed() {
    char byte = 0;
    const auto n = ::recv(fd_, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

reply client::receive(bool head_only) {
    reply out;
    out.head = read_until("\r\n\r\n");
    if (!out.head.starts_with("HTTP/1.1 ")) {
        return out;
    }
    out.status = std::atoi(out.head.c_str() + 9);
    const auto length = out.field("Content-Length");
    if (head_only || out.status == 204 || out.status == 304) {
        return out;
    }
    if (length.empty()) {
        while (read_more()) {
        }
        out.body = std::exchange(buffer_, std::string());
        return out;
    }
    const auto size = static_cast<std::size_t>(std::atoll(length.c_str()));
    while (buffer_.size() < size && read_more()) {
    }
    out.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return out;
}

reply client::ask(std::string_view what, std::string_view fields, std::string_view body) {
    std::string text(what);
    text += " HTTP/1.1\r\n";
    if (fields.find("Host:") == std::string_view::npos) {
        text += "Host: localhost\r\n";
    }
    text.append(fields);
    if (!body.empty()) {
        text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    }
    text += "\r\n";
    text.append(body);
    send(text);
    return receive(what.starts_with("HEAD "));
}

}  // namespace m365stage::test
