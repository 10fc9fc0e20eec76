#include "sync/run/fetch_queue.hpp"

#include <doctest/doctest.h>

using namespace m365stage;
using sync::fetch_queue;

namespace {

graph::scope mailbox(const std::string& name) {
    return graph::scope(graph::service::outlook, name);
}

index::work_item item(std::int64_t id) {
    index::work_item w;
    w.id = static_cast<index::item_id>(id);
    return w;
}

bool never(const graph::scope&) {
    return false;
}

std::int64_t taken(fetch_queue& q, const std::function<bool(const graph::scope&)>& paused = never) {
    const auto i = q.take(paused);
    return i ? static_cast<std::int64_t>(i->id) : 0;
}

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("fetch queue: scopes are served in turn, each in the order of its items") {
        fetch_queue q;
        for (std::int64_t n = 1; n <= 3; ++n) {
            q.add(mailbox("a"), 4, item(n));
        }
        q.add(mailbox("b"), 4, item(11));
        q.add(mailbox("b"), 4, item(12));
        CHECK(q.size() == 5);
        CHECK(taken(q) == 1);
        CHECK(taken(q) == 11);
        CHECK(taken(q) == 2);
        CHECK(taken(q) == 12);
        CHECK(taken(q) == 3);
        CHECK(taken(q) == 0);
        CHECK(q.size() == 0);
    }

    TEST_CASE("fetch queue: a scope has no more workers than it may have, whoever waits") {
        fetch_queue q;
        for (std::int64_t n = 1; n <= 4; ++n) {
            q.add(mailbox("a"), 2, item(n));
        }
        CHECK(taken(q) == 1);
        CHECK(taken(q) == 2);
        CHECK(taken(q) == 0);
        q.add(mailbox("b"), 2, item(11));
        CHECK(taken(q) == 11);
        CHECK(taken(q) == 0);
        q.done(mailbox("a"));
        CHECK(taken(q) == 3);
        CHECK(taken(q) == 0);
    }

    TEST_CASE("fetch queue: a paused mailbox is passed over and keeps its place") {
        fetch_queue q;
        q.add(mailbox("a"), 4, item(1));
        q.add(mailbox("b"), 4, item(11));
        const auto a_waits = [](const graph::scope& s) { return s.key == "a"; };
        CHECK(taken(q, a_waits) == 11);
        CHECK(taken(q, a_waits) == 0);
        CHECK(q.waiting_in(mailbox("a")) == 1);
        CHECK(taken(q) == 1);
    }

    TEST_CASE("fetch queue: a scope whose work is done is forgotten, and may come again") {
        fetch_queue q;
        q.add(mailbox("a"), 1, item(1));
        CHECK(taken(q) == 1);
        q.done(mailbox("a"));
        CHECK(q.waiting_in(mailbox("a")) == 0);
        q.add(mailbox("a"), 1, item(2));
        CHECK(taken(q) == 2);
    }
}
