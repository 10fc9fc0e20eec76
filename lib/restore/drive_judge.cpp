#include <nlohmann/json.hpp>

#include "restore/drive_restore.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {

using nlohmann::json;

decision judge_drive_object(const object& o, const request& asked) {
    if (auto d = judge_state(o)) {
        return *d;
    }
    if (o.meta.type == "package") {
        return decision::cannot("a OneNote notebook: Microsoft 365 does not let programs write notebooks");
    }
    if (o.meta.type == "shortcut") {
        return decision::cannot("a shortcut to somebody else's folder: add it again by hand");
    }
    if (asked.as_of && !o.folder) {
        const auto item = json::parse(o.meta.item, nullptr, false);
        const auto created = core::parse_timestamp(sources::text(item, "createdDateTime"));
        const auto modified = core::parse_timestamp(sources::text(item, "lastModifiedDateTime"));
        if (created && *created > *asked.as_of) {
            return decision::left_out("made after --as-of");
        }
        if (modified && *modified > *asked.as_of) {
            return decision::cannot(
                "changed after --as-of, on " + core::format_timestamp(*modified) +
                ": the tree holds the later version alone; have the backup of an earlier day restored"
            );
        }
    }
    return {};
}

}  // namespace m365stage::restore
