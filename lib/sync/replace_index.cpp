#include <unistd.h>

#include <cerrno>

#include "sync/rebuild.hpp"

namespace m365stage::sync {

core::result<std::string> replace_index(const tree::stage_root& root, const std::string& fresh) {
    std::string kept;
    if (root.look("index.db")) {
        kept = "index.db.old-" + std::to_string(core::now_seconds());
        // The log first: it must never lie beside an index that it does not belong to. The index itself gets
        // a second name, so that there is one at every moment: without any, everything would be fetched
        // again.
        for (const char* part : {"-wal", "-shm"}) {
            auto moved = root.rename("index.db" + std::string(part), kept + part);
            if (!moved && moved.error().kind != core::error_kind::not_found) {
                return moved.error();
            }
        }
        const auto folder = root.path() + "/";
        if (::link((folder + "index.db").c_str(), (folder + kept).c_str()) != 0) {
            return core::disk_error(errno).during("keep").on(folder + "index.db");
        }
    }
    if (auto given = root.give_to_owner(fresh); !given) {
        return given.error();
    }
    if (auto moved = root.rename(fresh, "index.db"); !moved) {
        return moved.error();
    }
    if (auto synced = root.barrier(); !synced) {
        return synced.error();
    }
    return kept;
}

}  // namespace m365stage::sync
