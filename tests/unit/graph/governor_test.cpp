#include "graph/governor.hpp"

#include <doctest/doctest.h>

#include "../../support/fake_transport.hpp"

using namespace m365stage;
using namespace m365stage::test;
using graph::scope;
using graph::service;

namespace {

struct world {
    explicit world(const graph::client_options& o = graph::client_options()) : governor(clock, o) {}

    // Lets one request through and notes when; it ends at once.
    graph::task<int> pass(scope where, unsigned units, int number) {
        graph::permit leave = co_await governor.admit(std::move(where), units);
        order.push_back(number);
        at.push_back(clock.seconds_passed());
        co_return number;
    }
    void start(scope where, unsigned units, int number) {
        auto done = [](std::exception_ptr e, int) { CHECK(e == nullptr); };
        boost::asio::co_spawn(io, pass(std::move(where), units, number), done);
    }

    boost::asio::io_context io;
    fake_timing clock{io};
    graph::governor governor;
    std::vector<int> order;
    std::vector<double> at;
};

}  // namespace

TEST_SUITE("graph") {
    TEST_CASE("governor: who comes first goes first, also when the next one costs less") {
        graph::client_options o;
        o.sharepoint_units_per_minute = 60;
        o.learn = false;
        world w(o);
        for (int i = 0; i < 30; ++i) {
            w.start(scope(service::sharepoint), i % 3 == 0 ? 5 : 1, i);
        }
        w.clock.drive();
        REQUIRE(w.order.size() == 30);
        for (int i = 0; i < 30; ++i) {
            CHECK(w.order[static_cast<std::size_t>(i)] == i);
        }
        CHECK(w.at.back() > 60);
    }

    TEST_CASE("governor: after a pause the calls that piled up do not come all at once") {
        world w;
        auto first = w.clock.run(w.governor.admit(scope(service::directory), 1));
        w.governor.refused(first, std::chrono::seconds(30));
        for (int i = 0; i < 20; ++i) {
            w.start(scope(service::directory), 1, i);
        }
        w.clock.drive();
        REQUIRE(w.at.size() == 20);
        CHECK(w.at.front() == doctest::Approx(30));
        CHECK(w.at.back() == doctest::Approx(30.95));
    }

    TEST_CASE("governor: mailboxes that are idle are forgotten, paused ones are not") {
        world w;
        auto held = w.clock.run(w.governor.admit(scope(service::outlook, "held"), 1));
        w.governor.refused(held, std::chrono::hours(5));
        held.end();
        for (int i = 0; i < 1000; ++i) {
            w.clock.run(w.pass(scope(service::outlook, "box" + std::to_string(i)), 1, i));
            w.clock.advance(std::chrono::seconds(15));
        }
        CHECK(w.governor.mailboxes() < 140);
        CHECK(w.governor.paused_until(scope(service::outlook, "held")).has_value());
        CHECK_FALSE(w.governor.paused_until(scope(service::outlook, "never seen")).has_value());
    }

    TEST_CASE("governor: RateLimit headers slow the scope down, nonsense in them does not") {
        graph::client_options o;
        o.sharepoint_units_per_minute = 1200;
        world w(o);
        auto p = w.clock.run(w.governor.admit(scope(service::sharepoint), 1));
        http::header_list fields;
        fields.set("RateLimit-Limit", "1200");
        fields.set("RateLimit-Remaining", "many");
        fields.set("RateLimit-Reset", "10");
        w.governor.answered(p, fields);
        w.clock.run(w.pass(scope(service::sharepoint), 1, 0));
        CHECK(w.clock.seconds_passed() < 0.1);
        fields.set("RateLimit-Remaining", "0");
        w.governor.answered(p, fields);
        w.clock.run(w.pass(scope(service::sharepoint), 1, 0));
        CHECK(w.clock.seconds_passed() >= 9.9);
    }

    TEST_CASE("governor: what was learnt and what was spent of the day is known after a restart") {
        graph::client_options o;
        o.sharepoint_units_per_minute = 1000;
        o.sharepoint_units_per_day = 50;
        world before(o);
        auto p = before.clock.run(before.governor.admit(scope(service::sharepoint), 40));
        before.governor.refused(p, std::chrono::seconds(1));
        p.end();
        const auto learnt = before.governor.sharepoint_budget();
        REQUIRE(learnt);
        CHECK(*learnt < 1000);

        world after(o);
        after.governor.remember(before.governor.memory());
        CHECK(after.governor.sharepoint_budget() == learnt);
        after.clock.run(after.pass(scope(service::sharepoint), 10, 0));
        CHECK(after.clock.seconds_passed() < 60);
        // The day has none left before the first 40 units are a day old.
        after.clock.run(after.pass(scope(service::sharepoint), 5, 1));
        CHECK(after.clock.seconds_passed() > 80'000);
    }

    TEST_CASE("governor: a memory that is damaged or of another budget changes nothing") {
        graph::client_options o;
        o.sharepoint_units_per_minute = 1000;
        world before(o);
        auto p = before.clock.run(before.governor.admit(scope(service::sharepoint), 1));
        before.governor.refused(p, std::chrono::seconds(1));
        o.sharepoint_units_per_minute = 2000;
        for (const std::string& memory :
             {before.governor.memory(), std::string(), std::string("[1]"), std::string(R"({"spent":7})"),
              std::string(R"({"published":2000,"budget":"x","spent":[[1],["a",2],[-5,1e9]]})")}) {
            CAPTURE(memory);
            world after(o);
            after.governor.remember(memory);
            CHECK(after.governor.sharepoint_budget() == 2000);
        }
    }
}
