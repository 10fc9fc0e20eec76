#pragma once

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "core/hash.hpp"
#include "index/containers.hpp"
#include "index/items.hpp"
#include "index/work.hpp"
#include "sync/run/context.hpp"
#include "tests/support/anns_drive.hpp"
#include "tests/support/bare_graph.hpp"
#include "tests/support/run_coro.hpp"
#include "tests/unit/tree/support.hpp"

namespace m365stage::test {

/// A pass over one drive, of which a test runs the parts that it is about.
class one_drive {
public:
    explicit one_drive(graph::client& service)
        : pass(executor(), service, store, stage.root(), disk, gate, options) {
        pass.sources = sources::make_sources(options.kinds);
        id = index::upsert_container(store.direct(), anns_drive());
        row = static_cast<std::int64_t>(id);
    }

    boost::asio::any_io_executor executor() { return io.get_executor(); }

    /// A file as a round tells it; another version is other content.
    struct told_file {
        std::string remote_id, version;
        std::int64_t size = 0;
        std::string parent = "root";
    };

    /// A whole round: the root and these files in it.
    void round(const std::vector<told_file>& files) {
        index::delta_page p;
        p.cursor = "cursor";
        p.last = true;
        p.url_until = core::now_seconds() + 3600;
        index::item_change root;
        root.remote_id = "root";
        root.root = true;
        root.type = index::item_type::folder;
        root.name = "root";
        root.meta = root.mark = "{}";
        p.items.push_back(std::move(root));
        for (const auto& f : files) {
            index::item_change c;
            c.remote_id = c.name = f.remote_id;
            c.type = index::item_type::file;
            c.parent_remote_id = f.parent;
            c.etag = c.ctag = f.version;
            c.meta = c.mark = "{}";
            c.content = true;
            c.size = f.size;
            c.mtime = 1'000'000;
            c.url = "https://files.example/" + f.remote_id;
            p.items.push_back(std::move(c));
        }
        auto& db = store.direct();
        const auto stream = index::main_stream(db, id);
        index::begin_round(db, stream);
        index::apply_page(db, stream, p, 1);
    }

    /// That file's content is fetched: it lies in the spool, under the same name, and waits to be applied.
    void spool(const std::string& remote_id, const std::string& text) {
        auto& db = store.direct();
        const auto work = index::due_work(db, id, core::now_seconds(), 10);
        const auto item =
            std::find_if(work.begin(), work.end(), [&](const auto& w) { return w.remote_id == remote_id; });
        REQUIRE(item != work.end());
        stage.write("spool/" + remote_id, text);
        const auto digest = core::sha256::of(text);
        index::fetch_result r;
        r.id = item->id;
        r.version = item->version;
        r.spool = remote_id;
        r.size = static_cast<std::int64_t>(text.size());
        r.sha256.assign(digest.begin(), digest.end());
        REQUIRE(index::record_fetched(db, {r}) == std::vector<bool>{true});
    }

    /// Gives whatever runs the time for so many steps: each call to the index or the disk that it makes comes
    /// before the next one made here.
    boost::asio::awaitable<void> let_others_do(int steps) {
        for (; steps > 0; --steps) {
            auto on_index = [](index::database&) { return true; };
            co_await store.call(std::move(on_index));
            auto on_disk = [] { return true; };
            co_await disk.run(std::move(on_disk));
        }
    }

    /// Lets `work` run beside the test.
    void begin(boost::asio::awaitable<void> work) {
        ++running;
        auto ended = [this](std::exception_ptr e) {
            --running;
            failure = failure ? failure : e;
        };
        boost::asio::co_spawn(io, std::move(work), ended);
    }

    /// Until what was begun has ended; rethrows what it threw.
    boost::asio::awaitable<void> others_end() {
        while (running > 0) {
            co_await let_others_do(1);
        }
        if (failure) {
            std::rethrow_exception(failure);
        }
    }

    boost::asio::io_context io;  // outlives the threads, which may still be waking it
    temp_stage stage;
    index::store store{stage.path("index.db")};
    async::worker disk{1};
    sync::tree_gate gate{io.get_executor()};
    sync::pass_options options;
    sync::pass_context pass;
    index::container_id id{};
    std::int64_t row = 0;  ///< `id` as a pass keeps it
    int running = 0;
    std::exception_ptr failure;
};

}  // namespace m365stage::test
