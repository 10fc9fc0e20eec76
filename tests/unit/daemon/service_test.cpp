#include "daemon/service.hpp"

#include <doctest/doctest.h>

#include "tests/support/temp_folder.hpp"

using namespace m365stage;

namespace {

/// A stage whose index tells of passes; nothing of it is served.
struct world {
    world() { settings.stage.root = home.path(); }

    void had_pass(core::unix_seconds finished, const char* outcome, const char* numbers) {
        auto opened = daemon::stage::open(settings);
        REQUIRE(opened.has_value());
        (*opened)->store->direct().run(
            "INSERT INTO pass (started_at, finished_at, outcome, numbers) VALUES (?, ?, ?, ?)", finished - 1,
            finished, outcome, numbers
        );
    }

    core::unix_seconds last_success() {
        boost::asio::io_context io;
        daemon::staging_service service(io, settings);
        REQUIRE(service.open().has_value());
        return service.state().last_success_at;
    }

    test::temp_folder home;
    config::settings settings;
};

}  // namespace

TEST_SUITE("daemon") {
    TEST_CASE("service: after a restart the last success is that of a pass over everything") {
        world w;
        CHECK(w.last_success() == 0);
        w.had_pass(1000, "complete", R"({"whole":true})");
        w.had_pass(2000, "degraded", R"({"whole":true})");
        w.had_pass(3000, "complete", R"({"whole":false})");
        w.had_pass(4000, "failed", R"({"whole":true})");
        CHECK(w.last_success() == 2000);
    }
}
