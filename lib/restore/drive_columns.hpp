#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "async/once.hpp"
#include "restore/context.hpp"
#include "restore/drive_calls.hpp"
#include "sources/source.hpp"

/// Values of a library's own columns on their way back. Each object that has some has an entry of its own in
/// the journal, `columns_path`; a column that can't be put back fails that entry and leaves the object done.
namespace m365stage::restore {

inline constexpr std::string_view columns_word = "columns";

std::string columns_path(const std::string& object);

/// What is sent for the values of a sidecar, and what is not.
struct column_plan {
    column_plan() = default;
    std::vector<std::pair<std::string, std::string>> body;  ///< members, as JSON text, by the staged name
    std::vector<std::string> left_out;                      ///< a reason for each column
};
/// `same_list`: numbers of lookups and people mean there what they meant in the sidecar.
column_plan plan_columns(
    const nlohmann::json& staged, const std::vector<sources::column>& there, bool same_list
);

/// Names of the staged values of an object.
std::vector<std::string> column_names(const object& o);

/// Of these staged names, those whose values can't be put into the library of that drive, with the reason.
task<core::result<std::map<std::string, std::string>>> judge_columns(
    context& with, drive_calls calls, bool same_list, std::vector<std::string> names
);

/// Members of a PATCH of `fields` for one staged value.
nlohmann::json field_members(const std::string& staged_name, const nlohmann::json& value, bool lookup);

/// What values look like when they are read again, for the journal: a short tag for each staged name.
std::string column_tags(const nlohmann::json& values, const std::vector<std::string>& names);

/// Names whose values are not those of the tags.
std::vector<std::string> differing_columns(const std::string& tags, const nlohmann::json& fields);

/// Puts columns back, for one target. Network thread only.
class column_writer {
public:
    column_writer(context& with, drive_calls calls, bool same_list)
        : with_(with), calls_(std::move(calls)), same_list_(same_list), asked_(with.executor) {}

    /// Those of `o` to the item `id`. What somebody else wrote there is replaced only if --conflict says so.
    task<void> put(std::string id, const object& o);

private:
    struct work;
    task<core::result<void>> ask();
    task<core::result<void>> leave_present(const std::string& id, const object& o, work& w);
    task<void> send(const std::string& id, const object& o, work& w);

    context& with_;
    drive_calls calls_;
    const bool same_list_;
    std::vector<sources::column> columns_;  ///< those of the target, once they were asked for
    async::once asked_;
};

}  // namespace m365stage::restore
