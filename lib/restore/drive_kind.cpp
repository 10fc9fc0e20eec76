#include <nlohmann/json.hpp>

#include "restore/drive_calls.hpp"
#include "restore/drive_columns.hpp"
#include "restore/drive_restore.hpp"
#include "restore/owner.hpp"
#include "restore/upload.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

// What one app may send to one tenant (contract 3.2).
constexpr double most_bytes_per_second = 400e9 / 3600;

/// How long the rights of an object take, if they are asked for.
std::uint64_t count_rights(const object& o, const request& asked) {
    if (!asked.permissions || o.meta.permissions.empty()) {
        return 0;
    }
    return json::parse(o.meta.permissions, nullptr, false).size();
}

class drive_kind final : public kind {
public:
    std::string_view name() const override { return "drive"; }

    std::string word_for(const object& o) const override {
        return !o.meta.type.empty() ? o.meta.type : o.folder ? "folder" : "file";
    }

    decision judge(const object& o, const request& asked) const override {
        return judge_drive_object(o, asked);
    }

    std::vector<std::string> parts_of(const object& o) const override { return column_names(o); }

    task<core::result<std::map<std::string, std::string>>> judge_parts(
        context& with, const target& to, std::vector<std::string> parts
    ) const override {
        return judge_columns(with, drive_calls(to.id), to.origin, std::move(parts));
    }

    effort effort_of(const object& o, const request& asked) const override {
        effort e;
        e.bytes = static_cast<std::uint64_t>(o.folder ? 0 : o.size);
        // Made, or begun and sent in parts; and read back with the others of its folder.
        e.requests = 2;
        e.units = 4;
        if (o.folder && asked.in_place) {  // asked for by its id
            e.requests += 1;
            e.units += graph::units::single;
        }
        if (!o.folder) {
            constexpr auto fragment = static_cast<std::uint64_t>(fragment_bytes);
            e.requests = 1 + std::max<std::uint64_t>(1, (e.bytes + fragment - 1) / fragment);
            e.units = graph::units::write + (e.bytes == 0 ? graph::units::write : 0);
        }
        if (!o.meta.columns.empty()) {  // written, and the time set again that this moves
            e.requests += 2;
            e.units += std::uint64_t{2} * graph::units::write;
        }
        if (e.rights = count_rights(o, asked); e.rights > 0) {
            e.requests += 1 + e.rights;
            e.units += (1 + e.rights) * graph::units::permissions;
        }
        return e;
    }

    role_check check_roles(const std::vector<std::string>& roles, const request& asked) const override {
        role_check out;
        const bool write = has_any(
            roles, {"Files.ReadWrite.All", "Sites.ReadWrite.All", "Sites.Manage.All", "Sites.FullControl.All"}
        );
        const bool chosen = has_any(roles, {"Sites.Selected", "Files.SelectedOperations.Selected"});
        if (!write && !chosen) {
            out.obstacle =
                "the restore app has no permission to write files: grant it Files.ReadWrite.All or "
                "Sites.ReadWrite.All (application permission) and give admin consent";
        } else if (!write) {
            out.notes.emplace_back(
                "the restore app may write only to the sites that it was granted (Sites.Selected)"
            );
        }
        if (asked.permissions && !has_any(roles, {"Sites.FullControl.All"})) {
            out.notes.emplace_back("permissions may be refused: the restore app lacks Sites.FullControl.All");
        }
        return out;
    }

    std::string limit_key(const target&) const override { return "sharepoint"; }

    graph::scope scope_of(const target&) const override { return graph::scope(graph::service::sharepoint); }

    double seconds(const graph::client& graph, const effort& all) const override {
        const auto budget = graph.sharepoint_budget();
        const double by_units = budget && *budget > 0 ? static_cast<double>(all.units) / *budget * 60 : 0;
        return std::max(by_units, static_cast<double>(all.bytes) / most_bytes_per_second);
    }

    task<core::result<target>> find(graph::client& graph, place where) const override {
        return find_drive(graph, std::move(where));
    }

    task<core::result<target>> find_origin(graph::client& graph, const container& from, std::string& note)
        const override {
        return find_drive_of(graph, from, note);
    }

    task<core::result<bool>> is_taken(context& with, const target& to, const std::string& name)
        const override {
        std::string path;
        for (const auto& folder : to.below) {
            path = tree::join_path(path, folder);
        }
        auto call = drive_calls(to.id).path(tree::join_path(path, name), to.label);
        auto there = co_await with.graph.send(std::move(call));
        if (!there && there.error().kind != core::error_kind::not_found) {
            co_return there.error();
        }
        co_return there.has_value();
    }

    // More would not be faster: the budget of resource units is what limits (contract 3.2).
    int at_once() const override { return 8; }

    std::unique_ptr<writer> begin(context& with, const container&, const target& to) const override {
        return make_drive_writer(with, *this, to);
    }

    task<core::result<std::uint64_t>> read_back(
        context& with, const journal::written_folder& where, bool last
    ) const override {
        return read_back_drive_folder(with, where, last);
    }
};

}  // namespace

std::unique_ptr<kind> make_drive_kind() {
    return std::make_unique<drive_kind>();
}

}  // namespace m365stage::restore
