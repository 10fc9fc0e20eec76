#include <unistd.h>

#include <cerrno>

#include "sync/rebuild.hpp"

namespace m365stage::sync {
namespace {

constexpr const char* index_file = "index.db";
constexpr const char* log_parts[] = {"-wal", "-shm"};

/// A name that nothing of an older index has, however often this is done within a second.
std::string free_name(const tree::stage_root& root) {
    const auto first = std::string(index_file) + ".old-" + std::to_string(core::now_seconds());
    for (int number = 1;; ++number) {
        auto name = number == 1 ? first : first + "-" + std::to_string(number);
        if (!root.look(name) && !root.look(name + "-wal")) {
            return name;
        }
    }
}

core::result<void> link(const tree::stage_root& root, const std::string& from, const std::string& to) {
    const auto folder = root.path() + "/";
    if (::link((folder + from).c_str(), (folder + to).c_str()) != 0) {
        return core::disk_error(errno).during("keep").on(folder + from);
    }
    return core::result<void>();
}

/// Second names for the index and for its log, which may hold what the index does not have yet.
core::result<std::string> keep(const tree::stage_root& root) {
    auto kept = free_name(root);
    if (auto linked = link(root, index_file, kept); !linked) {
        return linked.error();
    }
    const auto log = std::string(index_file) + "-wal";
    if (root.look(log)) {
        if (auto linked = link(root, log, kept + "-wal"); !linked) {
            static_cast<void>(root.remove_file(kept));
            return linked.error();
        }
    }
    return kept;
}

}  // namespace

core::result<void> require_index(const tree::stage_root& root) {
    const auto index = root.look(index_file);
    if (index && index->size > 0) {
        return core::result<void>();
    }
    if (!index && index.error().kind != core::error_kind::not_found) {
        return index.error();
    }
    const auto staged = root.list("tree");
    if (!staged || staged->empty()) {
        return staged || staged.error().kind == core::error_kind::not_found
                   ? core::result<void>()
                   : core::result<void>(staged.error());
    }
    core::error e(
        core::error_kind::index, index ? "it is empty, and tree/ is not" : "it is gone, and tree/ is not"
    );
    e.object = root.path() + "/" + index_file;
    e.hint =
        "run 'm365stage index rebuild', nothing is downloaded again (to start from nothing move tree/ away)";
    return e;
}

core::result<std::string> replace_index(const tree::stage_root& root, const std::string& fresh) {
    if (auto there = root.look(fresh); !there) {
        return there.error();
    }
    std::string kept;
    if (root.look(index_file)) {
        auto named = keep(root);
        if (!named) {
            return named.error();
        }
        kept = std::move(*named);
        if (auto synced = root.barrier(); !synced) {
            return synced.error();
        }
    }
    // The log goes behind its index and before the new one: it must never lie beside one that it does not
    // belong to, and the old index without its log is one of earlier.
    if (auto removed = root.remove_file(index_file); !removed) {
        return removed.error();
    }
    for (const char* part : log_parts) {
        if (auto removed = root.remove_file(std::string(index_file) + part); !removed) {
            return removed.error();
        }
    }
    if (auto moved = root.rename(fresh, index_file); !moved) {
        return moved.error();
    }
    if (auto synced = root.barrier(); !synced) {
        return synced.error();
    }
    return kept;
}

}  // namespace m365stage::sync
