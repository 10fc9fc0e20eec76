#include "sync/cursors_file.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "index/containers.hpp"
#include "sources/fields.hpp"
#include "sync/state_file.hpp"
#include "tree/names.hpp"

namespace m365stage::sync {
namespace {

using nlohmann::json;
using sources::text;

constexpr const char* file_name = "cursors.json";

const std::string& file_path() {
    static const std::string path = "tree/" + std::string(tree::state_folder) + "/" + file_name;
    return path;
}

std::vector<index::container_id> staged_containers(index::database& db) {
    std::vector<index::container_id> out;
    db.query(
        "SELECT id FROM container WHERE at_key IS NOT NULL AND at_key<>'' ORDER BY key",
        [&](index::row r) { out.push_back(static_cast<index::container_id>(r.integer(0))); }
    );
    return out;
}

json entry_of(index::database& db, const index::container& c) {
    json entry{{"path", c.at_key}, {"kind", c.kind}, {"id", c.remote_id}, {"state", c.state}};
    // A rebuilt index knows nothing of what is owed or held: it has to hear of it again.
    const bool open = db.number(
                          "SELECT EXISTS (SELECT 1 FROM pending WHERE container_id=?1) OR "
                          "EXISTS (SELECT 1 FROM item WHERE container_id=?1 AND dirty<>0) OR "
                          "EXISTS (SELECT 1 FROM walk AS w JOIN stream AS s ON s.id=w.stream_id WHERE "
                          "s.container_id=?1)",
                          c.id
                      ) != 0;
    if (c.cursor_state != index::cursor_state::complete || open) {
        return entry;
    }
    for (const auto& one : index::streams(db, c.id)) {
        if (!one.cursor.empty() && one.cursor_state == index::cursor_state::complete) {
            entry["streams"].push_back(
                {{"folder", one.remote_id}, {"cursor", one.cursor}, {"shape", one.shape}}
            );
        }
    }
    return entry;
}

container_cursors cursors_of(const json& entry) {
    container_cursors out;
    out.kind = text(entry, "kind");
    out.id = text(entry, "id");
    out.state = text(entry, "state");
    const auto* streams = sources::member(entry, "streams");
    if (streams != nullptr && streams->is_array()) {
        for (const auto& element : *streams) {
            container_cursors::one s;
            s.folder = text(element, "folder");
            s.cursor = text(element, "cursor");
            s.shape = text(element, "shape");
            out.streams.push_back(std::move(s));
        }
    }
    return out;
}

}  // namespace

core::result<void> write_cursors(index::database& db, const tree::stage_root& root) {
    state_writer out(root, file_name);
    bool first = true;
    auto put = out.put("{\n \"containers\": [");
    for (const auto id : staged_containers(db)) {
        const auto c = index::find_container(db, id);
        if (c && put) {
            put = out.put((first ? "\n  " : ",\n  ") + sources::canonical(entry_of(db, *c)));
            first = false;
        }
    }
    if (put) {
        put = out.put("\n ],\n \"m365stage\": 1\n}\n");
    }
    return put ? out.finish() : put;
}

core::unix_seconds rest_between_writes(std::int64_t bytes) {
    constexpr std::int64_t small = 1 << 20, bytes_per_minute = 64 << 10;
    constexpr core::unix_seconds minute = 60, day = 86'400;
    return bytes <= small ? 0 : std::min(day, bytes / bytes_per_minute * minute);
}

bool cursors_are_old(const tree::stage_root& root, core::unix_seconds now) {
    const auto there = root.look(file_path());
    if (!there) {
        return true;
    }
    const auto age = now - there->mtime;
    return age < 0 || age >= rest_between_writes(there->size);
}

core::result<void> read_cursors(
    const tree::stage_root& root, const std::function<void(container_cursors)>& take
) {
    const auto file = open_state_file(root, file_name);
    if (!file) {
        return file.error();
    }
    bool list = false;
    // Each container leaves the document once it was looked at.
    const auto look = [&](int depth, json::parse_event_t event, json& parsed) {
        constexpr int of_containers = 2;
        list = list || (depth == 1 && event == json::parse_event_t::key && parsed == "containers");
        if (depth != of_containers || event != json::parse_event_t::object_end) {
            return true;
        }
        take(cursors_of(parsed));
        return false;
    };
    const auto rest = json::parse(file->get(), look, false);
    if (!rest.is_object() || !list) {
        core::error e(core::error_kind::protocol, "it is damaged");
        e.object = root.path() + "/" + file_path();
        return e;
    }
    return core::result<void>();
}

}  // namespace m365stage::sync
