#include "sync/run/spool_check.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

#include "core/hash.hpp"
#include "core/log.hpp"
#include "index/containers.hpp"
#include "index/work.hpp"

namespace m365stage::sync {
namespace {

// The boot in which everything in the spool was written or checked.
constexpr std::string_view boot_setting = "boot";

struct spooled {
    std::int64_t item = 0;
    std::string name, sha256;  ///< file in spool/; 32 bytes
};

bool is_whole(const tree::stage_root& root, const spooled& s) {
    const auto fd = root.open_file("spool/" + s.name);
    if (!fd) {
        return false;
    }
    core::sha256 sum;
    std::array<std::byte, 65'536> piece;
    for (;;) {
        const auto n = ::read(fd->get(), piece.data(), piece.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            const auto digest = sum.finish();
            return n == 0 &&
                   std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()) == s.sha256;
        }
        sum.update(std::span(piece).first(static_cast<std::size_t>(n)));
    }
}

/// The next files behind row `after`.
std::vector<spooled> some_spooled(index::database& db, std::int64_t after) {
    std::vector<spooled> out;
    db.query(
        "SELECT item_id, spool, spool_sha256 FROM pending WHERE state=1 AND spool IS NOT NULL AND item_id>? "
        "ORDER BY item_id LIMIT 500",
        [&](index::row r) {
            spooled s;
            s.item = r.integer(0);
            s.name = r.text(1);
            s.sha256 = r.bytes(2);
            out.push_back(std::move(s));
        },
        after
    );
    return out;
}

void fetch_all_again(index::database& db, const std::vector<std::int64_t>& items) {
    index::database::transaction t(db);
    for (const auto item : items) {
        index::fetch_again(db, static_cast<index::item_id>(item));
    }
    t.commit();
}

}  // namespace

std::string this_boot() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;
}

async::task<std::size_t> check_spool_after_boot(
    index::store& store, const tree::stage_root& root, async::worker& disk, std::string boot
) {
    auto known = [boot](index::database& db) {
        return !boot.empty() && index::setting(db, boot_setting) == boot;
    };
    const bool same_boot = co_await store.call(std::move(known));
    if (same_boot) {
        co_return 0;
    }
    std::size_t lost = 0;
    for (std::int64_t after = 0;;) {
        auto list = [after](index::database& db) { return some_spooled(db, after); };
        auto files = co_await store.call(std::move(list));
        if (files.empty()) {
            break;
        }
        after = files.back().item;
        auto look = [&root, files = std::move(files)] {
            std::vector<std::int64_t> broken;
            for (const auto& s : files) {
                if (!is_whole(root, s)) {
                    broken.push_back(s.item);
                }
            }
            return broken;
        };
        auto broken = co_await disk.run(std::move(look));
        lost += broken.size();
        auto note = [items = std::move(broken)](index::database& db) { fetch_all_again(db, items); };
        co_await store.call(std::move(note));
    }
    if (lost > 0) {
        core::log(
            core::log_level::info,
            std::to_string(lost) + " fetched files did not survive the restart of the machine: fetched again"
        );
    }
    auto remember = [boot](index::database& db) { index::set_setting(db, boot_setting, boot); };
    co_await store.call(std::move(remember));
    co_return lost;
}

}  // namespace m365stage::sync
