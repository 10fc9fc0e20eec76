#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>

#include "api/server.hpp"
#include "async/event.hpp"
#include "index/database.hpp"

/// The server on a thread of its own, in front of a service that is made up, and clients that are plain
/// blocking sockets.
namespace m365stage::test {

/// A folder that is gone with the object.
struct temporary_folder {
    temporary_folder();
    ~temporary_folder();
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    std::string path;
};

/// A service with an index made by hand. Members are set before the server runs, or by `running::on_thread`.
class made_up_service final : public api::service {
public:
    made_up_service(boost::asio::io_context& io, const std::string& index_file);

    api::service_state now;
    std::atomic<int> waiting = 0;    ///< for a pass or a lease
    std::atomic<int> cancelled = 0;  ///< of those, given up because the client went away
    std::atomic<bool> index_broken = false;
    std::optional<core::error> lease_refusal;
    std::vector<std::string> heard;  ///< "read 12 OK", in order

    /// Ends what waits.
    void end_pass();
    void tell(const char* what);
    index::database& db() { return db_; }

    api::service_state state() const override { return now; }
    api::task<core::result<std::string>> ask(
        std::function<core::result<std::string>(index::database&)> question
    ) override;
    api::task<core::result<sync::pass_summary>> pass(api::pass_request request) override;
    bool start_pass(api::pass_request request) override;
    api::task<core::result<api::lease_grant>> take_lease(api::lease_request request) override;
    api::task<core::result<void>> job_read(std::string job_id, std::string status) override;
    api::task<core::result<void>> job_ended(std::string job_id, std::string status) override;
    api::task<core::result<void>> end_lease(std::string job_id) override;
    api::task<core::result<index::held_container>> approve_guard(std::string container) override;
    std::shared_ptr<void> listen(listener l) override;

private:
    api::task<void> wait_for_end();

    index::database db_;
    async::event ended_;
    bool end_ = false;
    std::shared_ptr<listener> listener_;
};

/// A server that runs until the object ends.
class running {
public:
    explicit running(const std::function<void(api::server_options&)>& change = {});
    ~running();
    running(const running&) = delete;
    running& operator=(const running&) = delete;

    /// Runs `fn` on the server's thread and returns when it has run.
    void on_thread(const std::function<void()>& fn);
    /// Until `condition`, asked on the server's thread, is true; fails the test after 10 s.
    void wait_until(const std::function<bool()>& condition);
    void stop_and_join();

    std::string socket_path() const { return folder.path + "/api.sock"; }

    temporary_folder folder;
    boost::asio::io_context io{1};
    made_up_service service;
    std::unique_ptr<api::server> server;
    static constexpr const char* token = "a-token-for-tests-only";

private:
    std::thread thread_;
};

/// An answer, taken apart.
struct reply {
    int status = 0;  ///< 0: the connection ended without one
    std::string head, body;
    std::string field(std::string_view name) const;  ///< empty: not there
};

/// A connection to the server.
class client {
public:
    explicit client(const running& to, bool tcp = false);
    ~client();
    client(client&& other) noexcept;
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    void send(std::string_view bytes);
    /// One answer; a body without a length is read to the end of the connection.
    reply receive(bool head_only = false);
    /// "GET /healthz" with the fields that every request has.
    reply ask(std::string_view what, std::string_view fields = "", std::string_view body = "");
    /// What comes up to and with `mark`; what came if the connection ends before.
    std::string read_until(std::string_view mark);
    /// True if the server has closed, which is waited for up to 10 s.
    bool is_closed();
    void close();
    void shutdown_sending();

private:
    bool read_more();
    int fd_ = -1;
    std::string buffer_;
};

}  // namespace m365stage::test
