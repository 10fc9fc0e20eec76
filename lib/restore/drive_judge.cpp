#include "restore/drive_restore.hpp"

namespace m365stage::restore {

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
    if (auto d = judge_as_of(o, asked)) {
        return *d;
    }
    return {};
}

}  // namespace m365stage::restore
