#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "../../support/doctest_result.hpp"
#include "fixture.hpp"

namespace m365stage::test {
namespace {

using nlohmann::json;

json document(const reply& r) {
    auto out = json::parse(r.body, nullptr, false);
    REQUIRE_MESSAGE(!out.is_discarded(), r.head, r.body);
    return out;
}

std::string with_token(const std::string& token = running::token) {
    return "Authorization: Bearer " + token + "\r\n";
}

std::string own_host(const running& r) {
    return "Host: 127.0.0.1:" + std::to_string(r.server->port()) + "\r\n";
}

TEST_SUITE("api server") {
    TEST_CASE("health answers on both doors; a HEAD has the fields of the GET and no body") {
        running r;
        client local(r);
        CHECK(local.ask("GET /healthz").body == "{\"alive\":true}\n");
        const auto head = local.ask("HEAD /healthz");
        CHECK(head.status == 200);
        CHECK(head.field("Content-Length") == "15");
        CHECK(head.field("Content-Type") == "application/json");
        CHECK(head.field("X-Content-Type-Options") == "nosniff");
        CHECK(head.field("Cache-Control") == "no-store");
        client tcp(r, true);
        CHECK(tcp.ask("GET /healthz", own_host(r)).status == 200);
    }

    TEST_CASE("over TCP all but health and the page needs the token; the Unix socket needs none") {
        running r;
        client tcp(r, true);
        const auto refused = tcp.ask("GET /api/v1/status", own_host(r));
        CHECK(refused.status == 401);
        CHECK(refused.field("WWW-Authenticate").starts_with("Bearer"));
        CHECK(document(refused)["error"]["kind"] == "unauthorized");
        CHECK(
            tcp.ask("GET /api/v1/status", own_host(r) + with_token("a-token-for-tests-onlx")).status == 401
        );
        CHECK(tcp.ask("GET /api/v1/status", own_host(r) + with_token("a-token-for-tests-onl")).status == 401);
        CHECK(tcp.ask("GET /api/v1/status", own_host(r) + with_token("")).status == 401);
        CHECK(tcp.ask("GET /no/such/path", own_host(r)).status == 401);
        CHECK(tcp.ask("GET /api/v1/status", own_host(r) + with_token()).status == 200);
        CHECK(tcp.ask("GET /metrics", own_host(r)).status == 401);
        CHECK(tcp.ask("GET /", own_host(r)).status == 200);
        client local(r);
        CHECK(local.ask("GET /api/v1/status").status == 200);
        CHECK(refused.body.find(running::token) == std::string::npos);
    }

    TEST_CASE("a Host that is not this machine is refused: a browser was led here by a foreign name") {
        running r;
        const auto port = std::to_string(r.server->port());
        for (const std::string& host :
             {std::string("evil.example:") + port, std::string("127.0.0.1"), std::string("127.0.0.1:1"),
              "127.evil.example:" + port, std::string()}) {
            client tcp(r, true);
            CHECK_MESSAGE(tcp.ask("GET /healthz", "Host: " + host + "\r\n").status == 421, host);
        }
        for (const auto* host : {"localhost:", "LOCALHOST:", "127.0.0.1:", "127.1.2.3:", "[::1]:"}) {
            client tcp(r, true);
            CHECK_MESSAGE(tcp.ask("GET /healthz", "Host: " + (host + port) + "\r\n").status == 200, host);
        }
    }

    TEST_CASE("readiness gives its reasons, and without a token their kinds alone") {
        running r;
        client local(r);
        CHECK(local.ask("GET /readyz").status == 200);
        core::error e(core::error_kind::disk, "12 MiB are free");
        e.operation = "look at";
        e.object = "/var/lib/m365stage";
        e.hint = "free some space";
        r.on_thread([&] { r.service.now.not_ready.push_back(e); });
        const auto told = local.ask("GET /readyz");
        CHECK(told.status == 503);
        CHECK(document(told)["reasons"][0]["message"] == "look at /var/lib/m365stage: 12 MiB are free");
        CHECK(document(told)["reasons"][0]["cause"] == "12 MiB are free");
        CHECK(document(told)["reasons"][0]["hint"] == "free some space");
        client tcp(r, true);
        const auto brief = tcp.ask("GET /readyz", own_host(r));
        CHECK(brief.status == 503);
        CHECK(document(brief) == json::parse(R"({"ready": false, "reasons": [{"kind": "disk"}]})"));
    }

    TEST_CASE("what is not there is 404 with what there is, a wrong method 405 with those that are possible"
    ) {
        running r;
        client c(r);
        const auto nothing = c.ask("GET /api/v1/nothing");
        CHECK(nothing.status == 404);
        CHECK(
            document(nothing)["error"]["hint"] ==
            "there are /, /healthz, /readyz, /metrics, and below /api/v1/: status, passes, containers, "
            "items, changes, "
            "leases, leases/{}, jobs, jobs/{}/read, jobs/{}/ended, guard, guard/approve, events"
        );
        const auto wrong = c.ask("DELETE /api/v1/passes");
        CHECK(wrong.status == 405);
        CHECK(wrong.field("Allow") == "GET, HEAD, POST");
        CHECK(c.ask("GET /api/v1/leases/12").field("Allow") == "DELETE");
        CHECK(c.ask("POST /healthz").status == 405);
        CHECK(c.ask("BREW /healthz").status == 405);
        CHECK(c.ask("DELETE /api/v1/leases/").status == 404);
        CHECK(c.ask("DELETE /api/v1/leases/1/2").status == 404);
        CHECK(c.ask("DELETE /api/v1/leases/%zz").status == 400);
    }

    TEST_CASE("the status is that of the command line, with what the service alone knows") {
        running r;
        client c(r);
        const auto status = document(c.ask("GET /api/v1/status"));
        CHECK(status["generation"] == 1);
        CHECK(status["coverage_percent"] == 100.0);
        CHECK(status["passes"][0]["outcome"] == "complete");
        CHECK(status["service"]["ready"] == true);
        CHECK(status["service"]["pass"] == nullptr);
        CHECK(status["running"] == ::getpid());
    }

    TEST_CASE("items come in pages that together are the whole list") {
        running r;
        client c(r);
        std::vector<std::string> paths;
        std::string after;
        for (int page = 0; page < 10; ++page) {
            const auto d = document(c.ask("GET /api/v1/items?limit=1" + after));
            for (const auto& i : d["items"]) {
                paths.push_back(i["path"]);
            }
            if (d["next"].is_null()) {
                break;
            }
            after = "&after=" + d["next"].get<std::string>();
        }
        const std::vector<std::string> all{
            "users/ann/onedrive/b.txt", "users/ann/onedrive/folder", "users/ann/onedrive/folder/a.txt"
        };
        CHECK(paths == all);
        const auto found = document(c.ask("GET /api/v1/items?pattern=*%2Fa.txt"));
        CHECK(found["items"].size() == 1);
        CHECK(found["items"][0]["sha256"] == "00ff");
        CHECK(found["next"] == nullptr);
        CHECK(c.ask("GET /api/v1/items?after=5b5d").status == 400);
        CHECK(c.ask("GET /api/v1/items?after=xyz").status == 400);
        CHECK(c.ask("GET /api/v1/items?limit=0").status == 400);
        CHECK(c.ask("GET /api/v1/items?limit=1&limit=2").status == 400);
        CHECK(c.ask("GET /api/v1/items?colour=red").status == 400);
    }

    TEST_CASE("changes come in pages, and the newest first if wanted") {
        running r;
        client c(r);
        const auto first = document(c.ask("GET /api/v1/changes?since=0&limit=2"));
        CHECK(first["changes"].size() == 2);
        const auto rest =
            document(c.ask("GET /api/v1/changes?since=0&limit=2&after=" + first["next"].get<std::string>()));
        CHECK(rest["changes"].size() == 1);
        CHECK(rest["next"] == nullptr);
        CHECK(document(c.ask("GET /api/v1/changes"))["changes"].size() == 3);
        CHECK(document(c.ask("GET /api/v1/changes?since=1"))["changes"].empty());
        const auto newest = document(c.ask("GET /api/v1/changes?newest=true&limit=1"));
        CHECK(newest["changes"][0]["new_path"] == "users/ann/onedrive/b.txt");
        CHECK(c.ask("GET /api/v1/changes?newest=true&since=1").status == 400);
    }

    TEST_CASE("containers are searched and paged") {
        running r;
        client c(r);
        CHECK(
            document(c.ask("GET /api/v1/containers"))["containers"][0]["container"] == "users/ann/onedrive"
        );
        CHECK(document(c.ask("GET /api/v1/containers?pattern=USERS*"))["containers"].size() == 1);
        CHECK(document(c.ask("GET /api/v1/containers?pattern=sites*"))["containers"].empty());
        CHECK(document(c.ask("GET /api/v1/containers?noteworthy=true"))["containers"].empty());
        CHECK(document(c.ask("GET /api/v1/containers?after=users/ann/onedrive"))["containers"].empty());
    }

    TEST_CASE("a pass is started, or waited for as long as wanted") {
        running r;
        client c(r);
        CHECK(c.ask("POST /api/v1/passes").status == 202);
        CHECK(document(c.ask("POST /api/v1/passes", "", R"({"only": "users/*"})"))["started"] == true);
        CHECK(c.ask("POST /api/v1/passes", "", R"({"wait": 1})").status == 504);
        c.send(
            "POST /api/v1/passes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
            "28\r\n\r\n"
            R"({"wait": 600, "max_age": 60})"
        );
        r.wait_until([&] { return r.service.waiting == 1; });
        client other(r);
        CHECK(other.ask("GET /healthz").status == 200);  // nobody is held up
        r.on_thread([&] { r.service.end_pass(); });
        const auto ended = c.receive();
        CHECK(ended.status == 200);
        CHECK(document(ended)["outcome"] == "complete");
        const std::vector<std::string> heard{"start ", "start users/*", "pass  0", "pass  60"};
        CHECK(r.service.heard == heard);
    }

    TEST_CASE("a request that waits is cancelled when its client goes away") {
        running r;
        {
            client c(r);
            c.send(
                "POST /api/v1/leases HTTP/1.1\r\nHost: x\r\nContent-Type: "
                "application/json\r\nContent-Length: "
                "16\r\n\r\n{\"job_id\": \"12\"}"
            );
            r.wait_until([&] { return r.service.waiting == 1; });
        }
        r.wait_until([&] { return r.service.cancelled == 1; });
        client c(r);
        CHECK(c.ask("GET /healthz").status == 200);
    }

    TEST_CASE("a lease is given with what the tree holds, or refused with the service's own words") {
        running r;
        client c(r);
        core::error e(core::error_kind::guard, "1,200 deletions are held");
        e.hint = "see 'm365stage guard list'";
        r.on_thread([&] { r.service.lease_refusal = e; });
        const auto refused = c.ask("POST /api/v1/leases", "", R"({"job_id": "12"})");
        CHECK(refused.status == 409);
        CHECK(document(refused)["error"]["kind"] == "guard");
        CHECK(document(refused)["error"]["message"] == "1,200 deletions are held");
        r.on_thread([&] {
            r.service.lease_refusal.reset();
            r.service.end_pass();
        });
        const auto given = document(
            c.ask("POST /api/v1/leases", "", R"({"job_id": "12", "job_name": "m365", "duration": 60})")
        );
        CHECK(given["job_id"] == "12");
        CHECK(given["until"] == "1970-01-01T00:17:40Z");
        CHECK(c.ask("POST /api/v1/leases", "", R"({})").status == 400);
        CHECK(c.ask("POST /api/v1/leases", "", R"({"job_id": 12})").status == 400);
        CHECK(c.ask("POST /api/v1/leases", "", R"({"job_id": "12", "until": 5})").status == 400);
        CHECK(c.ask("POST /api/v1/leases", "", "[]").status == 400);
        CHECK(c.ask("POST /api/v1/leases", "", "{").status == 400);
    }

    TEST_CASE("jobs tell their words, and a job that is unknown is 404") {
        running r;
        client c(r);
        CHECK(c.ask("POST /api/v1/jobs/12/read", "", R"({"status": "OK"})").status == 204);
        CHECK(c.ask("POST /api/v1/jobs/a%20b/ended", "", R"({"status": "T"})").status == 204);
        CHECK(c.ask("POST /api/v1/jobs/12/read").status == 400);
        const std::vector<std::string> heard{"read 12 OK", "ended a b T"};
        CHECK(r.service.heard == heard);
        const auto missing = c.ask("DELETE /api/v1/leases/99");
        CHECK(missing.status == 404);
        CHECK(document(missing)["error"]["message"] == "job 99 holds no lease");
        CHECK(c.ask("POST /api/v1/guard/approve", "", R"({"container": "users/bob"})").status == 404);
    }

    TEST_CASE("an index that can't be read is said so, and health and metrics go on") {
        running r;
        r.service.index_broken = true;
        client c(r);
        const auto answer = c.ask("GET /api/v1/status");
        CHECK(answer.status == 503);
        CHECK(document(answer)["error"]["kind"] == "index");
        CHECK(c.ask("GET /metrics").body.find("m365stage_index_readable 0") != std::string::npos);
        CHECK(c.ask("GET /healthz").status == 200);
    }

    TEST_CASE("events: the present state first, then what happens") {
        running r;
        client c(r);
        c.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(c.read_until("\r\n\r\n").find("text/event-stream") != std::string::npos);
        CHECK(c.read_until("\n\n") == "retry: 2000\n\n");
        CHECK(c.read_until("\n\n").find("\"what\":\"begin\"") != std::string::npos);
        r.on_thread([&] {
            r.service.now.pass_started_at = 1'795'000'100;
            r.service.tell("pass_begun");
        });
        const auto event = c.read_until("\n\n");
        CHECK(event.find("\"what\":\"pass_begun\"") != std::string::npos);
        CHECK(event.find("\"started_at\":\"2026-11-18T") != std::string::npos);
        r.stop_and_join();
        CHECK(c.is_closed());
    }

    TEST_CASE(
        "events: a HEAD has the fields of the stream and ends, a parameter that means nothing is refused"
    ) {
        running r;
        for (const std::string path : {"/api/v1/events", "/api/v1/events?"}) {
            client c(r);
            c.send("HEAD " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
            const auto head = c.receive(true);
            CHECK(head.status == 200);
            CHECK(head.field("Content-Type") == "text/event-stream");
            CHECK(c.is_closed());
        }
        for (const char* method : {"GET", "HEAD"}) {
            CAPTURE(method);
            CHECK(client(r).ask(std::string(method) + " /api/v1/events?x=1").status == 400);
        }
    }

    TEST_CASE("events: a listener that does not read is dropped, one that does is not") {
        running r([](api::server_options& o) { o.write = std::chrono::seconds(1); });
        client slow(r);
        slow.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        slow.read_until("begin");
        client good(r);
        good.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        good.read_until("begin");
        bool gone = false;
        const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        for (int i = 0; !gone && std::chrono::steady_clock::now() < latest; ++i) {
            r.on_thread([&] { r.service.tell("tick"); });
            good.read_until("tick");
            if (i % 100 == 99) {
                client c(r);
                gone =
                    c.ask("GET /metrics").body.find("m365stage_api_event_streams 1\n") != std::string::npos;
            }
        }
        CHECK(gone);
    }

    TEST_CASE("events: a heartbeat comes when nothing else does") {
        running r([](api::server_options& o) { o.heartbeat = std::chrono::seconds(0); });
        client c(r);
        c.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(c.read_until(": nothing new\n\n").ends_with(": nothing new\n\n"));
    }

    TEST_CASE("the page is there without a token, with a policy, and is not sent twice") {
        running r;
        client c(r, true);
        const auto page = c.ask("GET /", own_host(r));
        CHECK(page.status == 200);
        CHECK(page.field("Content-Type") == "text/html; charset=utf-8");
        CHECK(page.field("Content-Security-Policy").find("script-src 'self'") != std::string::npos);
        CHECK(c.ask("GET /", own_host(r) + "If-None-Match: " + page.field("ETag") + "\r\n").status == 304);
        CHECK(c.ask("GET /page.css", own_host(r)).status == 200);
        CHECK(c.ask("GET /page.js", own_host(r)).field("Content-Type") == "text/javascript; charset=utf-8");
    }

    TEST_CASE("the token is read again on request, and a bad file changes nothing") {
        running r;
        const auto file = r.folder.path + "/token";
        auto reload = [&] {
            core::result<void> out;
            r.on_thread([&] { out = r.server->reload(); });
            return out;
        };
        std::ofstream(file) << "short";
        CHECK(reload().error().kind == core::error_kind::usage);
        client c(r, true);
        CHECK(c.ask("GET /api/v1/leases", own_host(r) + with_token()).status == 200);
        std::ofstream(file) << "another-token-of-good-length\n";
        CHECK(reload());
        CHECK(c.ask("GET /api/v1/leases", own_host(r) + with_token()).status == 401);
        CHECK(
            c.ask("GET /api/v1/leases", own_host(r) + with_token("another-token-of-good-length")).status ==
            200
        );
    }
}

TEST_SUITE("api addresses") {
    core::result<std::unique_ptr<api::server>> open(
        running & r, const std::function<void(api::server_options&)>& change
    ) {
        api::server_options o;
        change(o);
        return api::server::open(r.io, r.service, o);
    }

    TEST_CASE("the socket is the group's to open, nobody else's, and goes with the server") {
        running r;
        struct stat st{};
        REQUIRE(::stat(r.socket_path().c_str(), &st) == 0);
        CHECK((st.st_mode & 0777) == 0660);
        r.stop_and_join();
        r.server.reset();
        CHECK(::stat(r.socket_path().c_str(), &st) != 0);
    }

    TEST_CASE("a socket that somebody answers at is left alone; one that is left over is replaced") {
        running r;
        auto second = open(r, [&](auto& o) { o.socket = r.socket_path(); });
        REQUIRE(!second);
        CHECK(second.error().kind == core::error_kind::busy);
        client c(r);
        CHECK(c.ask("GET /healthz").status == 200);

        const auto left = r.folder.path + "/left.sock";
        std::filesystem::copy_file(r.folder.path + "/token", r.folder.path + "/file");
        const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        left.copy(at.sun_path, sizeof at.sun_path - 1);
        REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
        ::close(fd);
        CHECK(open(r, [&](auto& o) { o.socket = left; }).has_value());
        const auto file = open(r, [&](auto& o) { o.socket = r.folder.path + "/file"; });
        CHECK(file.error().kind == core::error_kind::usage);
        CHECK(std::filesystem::file_size(r.folder.path + "/file") > 0);
        const auto nowhere = open(r, [&](auto& o) { o.socket = r.folder.path + "/no/folder.sock"; });
        CHECK(nowhere.error().kind == core::error_kind::disk);
        const auto longest = open(r, [&](auto& o) { o.socket = "/" + std::string(200, 'x'); });
        CHECK(longest.error().kind == core::error_kind::usage);
    }

    TEST_CASE("only addresses of this machine's loopback are listened on") {
        running r;
        for (const auto* address :
             {"0.0.0.0:0", "192.168.0.1:80", "[::]:0", "example.com:80", "127.0.0.1",
              "127.0.0.1:", "127.0.0.1:x"}) {
            const auto refused = open(r, [&](auto& o) { o.listen = address; });
            REQUIRE_MESSAGE(!refused, address);
            CHECK(refused.error().kind == core::error_kind::usage);
        }
        const auto taken =
            open(r, [&](auto& o) { o.listen = "127.0.0.1:" + std::to_string(r.server->port()); });
        CHECK(taken.error().kind == core::error_kind::busy);
        CHECK(open(r, [](auto& o) { o.listen = "[::1]:0"; }).has_value());
    }

    TEST_CASE("without a token file only what is open answers over TCP") {
        running r([](api::server_options& o) { o.token_file.clear(); });
        client c(r, true);
        CHECK(c.ask("GET /readyz", own_host(r)).status == 200);
        const auto refused = c.ask("GET /api/v1/status", own_host(r) + with_token());
        CHECK(refused.status == 401);
        CHECK(
            document(refused)["error"]["hint"].get<std::string>().find("api.token_file") != std::string::npos
        );
    }
}

}  // namespace
}  // namespace m365stage::test
