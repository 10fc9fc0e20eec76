#include "index/clock.hpp"

#include <cstdlib>

#include "index/containers.hpp"

namespace m365stage::index {
namespace {

constexpr std::string_view time_setting = "time";
constexpr unix_seconds minute = 60;

unix_seconds number_in(const std::optional<std::string>& text) {
    return text ? std::strtoll(text->c_str(), nullptr, 10) : 0;
}

void begin_anew(database& db, unix_seconds now) {
    db.run("UPDATE pending SET next_try=?1 WHERE state=0 AND next_try>?1", now);
    db.run("UPDATE pending SET read_later=?1 WHERE read_later>?1", now);
    db.run("UPDATE pending SET owed_since=?1 WHERE owed_since>?1", now);
    db.run("UPDATE pending SET url=NULL, url_until=NULL WHERE url_until>?1", now);
    db.run("UPDATE container SET departed_at=?1 WHERE departed_at>?1", now);
    db.run(
        "UPDATE setting SET value=?1 WHERE key LIKE 'detour %' AND CAST(value AS INTEGER)>CAST(?1 AS "
        "INTEGER)",
        std::to_string(now)
    );
}

}  // namespace

unix_seconds note_time(database& db, unix_seconds now) {
    const auto last = number_in(setting(db, time_setting));
    if (now >= last && now < last + minute) {
        return 0;  // passes that follow close on each other write nothing for this
    }
    database::transaction t(db);
    const bool set_back = now < last - minute;
    if (set_back) {
        begin_anew(db, now);
    }
    set_setting(db, time_setting, std::to_string(now));
    t.commit();
    return set_back ? last - now : 0;
}

}  // namespace m365stage::index
