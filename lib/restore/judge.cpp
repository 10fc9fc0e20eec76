#include <nlohmann/json.hpp>

#include "restore/context.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

std::optional<core::unix_seconds> time_in(const json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (!object.is_object() || found == object.end() || !found->is_string()) {
        return std::nullopt;
    }
    return core::parse_timestamp(found->get<std::string>());
}

decision cannot(std::string why) {
    decision d;
    d.action = decision::what::cannot;
    d.why = std::move(why);
    return d;
}

}  // namespace

object_times times_of(const object& o) {
    const auto item = json::parse(o.meta.item, nullptr, false);
    object_times t;
    t.created = time_in(item, "createdDateTime");
    t.modified = time_in(item, "lastModifiedDateTime");
    return t;
}

std::string kind_of(const object& o) {
    if (!o.meta.type.empty()) {
        return o.meta.type;
    }
    return o.folder ? "folder" : "file";
}

decision judge_drive_object(const object& o, const request& asked) {
    if (o.state == object_state::no_sidecar && o.folder) {
        return {};  // its name on disk has to do; what is in it has sidecars of its own
    }
    if (o.state != object_state::good) {
        return cannot(o.problem);
    }
    if (o.meta.type == "package") {
        return cannot("a OneNote notebook: Microsoft 365 does not let programs write notebooks");
    }
    if (o.meta.type == "shortcut") {
        return cannot("a shortcut to somebody else's folder: add it again by hand");
    }
    if (asked.as_of && !o.folder) {
        const auto t = times_of(o);
        if (t.created && *t.created > *asked.as_of) {
            decision d;
            d.action = decision::what::skip_quietly;
            d.why = "made after --as-of";
            return d;
        }
        if (t.modified && *t.modified > *asked.as_of) {
            return cannot(
                "changed after --as-of, on " + core::format_timestamp(*t.modified) +
                ": the tree holds the later version alone; have the backup of an earlier day restored"
            );
        }
    }
    return {};
}

}  // namespace m365stage::restore
