#include "restore/plan.hpp"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>

#include "restore/target.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

// What one app may send to one tenant (contract 3.2), and a fragment of an upload.
constexpr double most_bytes_per_second = 400e9 / 3600;
constexpr std::uint64_t fragment_bytes = 32 * 327'680;

/// Counts what is in one container.
class scanner {
public:
    scanner(context& with, plan& out) : with_(with), out_(out) {}

    task<core::result<void>> scan(plan_part& part) {
        const auto& start = with_.tree.start();
        std::vector<std::string> todo{start.size() > part.from.path.size() ? start : part.from.path};
        while (!todo.empty()) {
            auto work = [this, &part, &todo, path = todo.back()] {
                todo.pop_back();
                return folder(part, todo, path);
            };
            auto done = co_await with_.disk.run(std::move(work));
            if (!done) {
                co_return done.error();
            }
        }
        co_return core::result<void>();
    }

private:
    core::result<int> folder(plan_part& part, std::vector<std::string>& todo, const std::string& path) {
        auto names = with_.tree.names(path);
        if (!names) {
            return names.error();
        }
        for (const auto& name : *names) {
            const auto o = with_.tree.read(path, name);
            if (o.folder && o.state != object_state::odd) {
                todo.push_back(o.path);
            }
            if (o.meta.type != "container" && with_.asked.selects(o.path)) {
                count(part, o);
            }
        }
        return 0;
    }

    void count(plan_part& part, const object& o) {
        const auto verdict = judge_drive_object(o, with_.asked);
        if (verdict.action == decision::what::cannot) {
            ++out_.cannot_count;
            if (out_.cannot.size() < plan::most_listed) {
                out_.cannot.emplace_back(o.path, verdict.why);
            }
            part.kinds[kind_of(o)];
            return;
        }
        if (verdict.action == decision::what::skip_quietly) {
            ++out_.quiet;
            return;
        }
        auto& kind = part.kinds[kind_of(o)];
        ++kind.objects;
        const auto size = static_cast<std::uint64_t>(o.folder ? 0 : o.size);
        kind.bytes += size;
        ++with_.count.objects;
        with_.count.bytes += size;
        // Made, or begun and sent in parts; and read back with the others of its folder.
        out_.requests +=
            o.folder ? 2 : 1 + std::max<std::uint64_t>(1, (size + fragment_bytes - 1) / fragment_bytes);
        out_.units += o.folder ? 4 : graph::units::write + (size == 0 ? graph::units::write : 0);
        if (with_.asked.permissions && !o.meta.permissions.empty()) {
            const auto rights = json::parse(o.meta.permissions, nullptr, false).size();
            part.rights += rights;
            out_.requests += 1 + rights;
            out_.units += (1 + rights) * graph::units::permissions;
        }
    }

    context& with_;
    plan& out_;
};

std::string today() {
    const auto now = static_cast<std::time_t>(core::now_seconds());
    std::tm parts{};
    ::localtime_r(&now, &parts);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts);
    return text.data();
}

/// A name for a new folder that nothing has yet. Chosen once for each restore: it is kept in the journal.
task<core::result<std::string>> new_folder_name(context& with, const drive_target& to) {
    const auto key = "into " + to.drive + "/" + (to.below.empty() ? "" : to.below.back());
    if (auto chosen = with.log.info(key); !chosen.empty()) {
        co_return chosen;
    }
    std::string parent;
    for (const auto& name : to.below) {
        parent = join_path(parent, name);
    }
    const auto wanted = "Restored " + today();
    auto name = wanted;
    for (int number = 2;; ++number) {
        auto call = drive_calls(to.drive).path(join_path(parent, name), to.label);
        auto there = co_await with.graph.send(std::move(call));
        if (!there && there.error().kind != core::error_kind::not_found) {
            co_return there.error();
        }
        if (!there) {
            break;
        }
        name = wanted + " (" + std::to_string(number) + ")";
    }
    with.log.set_info(key, name);
    co_return name;
}

/// Sets where a part goes, or why it can't.
task<core::result<void>> find_target(context& with, plan_part& part, bool several) {
    if (part.from.kind != "drive") {
        part.obstacle = "this version can't put " + part.from.kind + " back";
        co_return core::result<void>();
    }
    core::result<drive_target> found = core::error();
    std::string note;
    if (with.asked.to.empty()) {
        found = co_await find_origin(with.graph, part.from, note);
    } else {
        auto name = parse_target(with.asked.to);
        if (!name) {
            co_return name.error();
        }
        found = co_await find_drive(with.graph, std::move(*name));
    }
    if (!note.empty()) {
        part.notes.push_back(note);
    }
    if (!found) {
        if (core::exit_code_for(found.error().kind) != core::exit_code::some_failed) {
            co_return found.error();
        }
        part.obstacle = core::describe(found.error());
        co_return core::result<void>();
    }
    part.to = std::move(*found);
    if (!with.asked.into.empty()) {
        part.to.below.push_back(with.asked.into);
    } else if (!with.asked.in_place) {
        auto name = co_await new_folder_name(with, part.to);
        if (!name) {
            co_return name.error();
        }
        part.to.below.push_back(std::move(*name));
    }
    if (several && !with.asked.to.empty()) {
        auto label = part.from.path.substr(part.from.path.find('/') + 1);
        std::replace(label.begin(), label.end(), '/', ' ');
        part.to.below.push_back(std::move(label));
    }
    co_return core::result<void>();
}

/// What is there may not be enough for what is to come.
task<void> check_room(context& with, plan& p) {
    std::map<std::string, std::uint64_t> needed;
    for (const auto& part : p.parts) {
        needed[part.to.drive] += part.bytes();
    }
    for (auto& part : p.parts) {
        const auto done = co_await with.log.bytes_written(part.to.drive);
        const auto all = needed[part.to.drive];
        const auto left = all - std::min(all, done);
        if (part.obstacle.empty() && part.to.room && left > static_cast<std::uint64_t>(*part.to.room)) {
            part.obstacle = part.to.label + " has room for " + std::to_string(*part.to.room) + " bytes and " +
                            std::to_string(left) + " are needed: make room, or select less";
        }
    }
}

bool has_any(const std::vector<std::string>& roles, std::initializer_list<std::string_view> wanted) {
    return std::any_of(wanted.begin(), wanted.end(), [&](std::string_view w) {
        return std::find(roles.begin(), roles.end(), w) != roles.end();
    });
}

/// The application permissions that the token grants, against those that are needed (contract 9).
void check_roles(context& with, plan& p, const std::vector<std::string>& roles) {
    const bool write = has_any(
        roles, {"Files.ReadWrite.All", "Sites.ReadWrite.All", "Sites.Manage.All", "Sites.FullControl.All"}
    );
    const bool selected = has_any(roles, {"Sites.Selected", "Files.SelectedOperations.Selected"});
    for (auto& part : p.parts) {
        if (!write && !selected && part.obstacle.empty()) {
            part.obstacle =
                "the restore app has no permission to write files: grant it Files.ReadWrite.All or "
                "Sites.ReadWrite.All (application permission) and give admin consent";
            part.forbidden = true;
        }
    }
    if (!write && selected) {
        p.notes.emplace_back("the restore app may write where it was given a site (Sites.Selected) alone");
    }
    if (with.asked.permissions && !has_any(roles, {"Sites.FullControl.All"})) {
        p.notes.emplace_back("permissions may be refused: the restore app lacks Sites.FullControl.All");
    }
}

void estimate(context& with, plan& p) {
    const auto budget = with.graph.sharepoint_budget();
    const double by_units = budget && *budget > 0 ? static_cast<double>(p.units) / *budget * 60 : 0;
    const double by_bytes = static_cast<double>(p.bytes()) / most_bytes_per_second;
    p.seconds = std::max(by_units, by_bytes);
}

}  // namespace

std::uint64_t plan_part::objects() const {
    std::uint64_t n = 0;
    for (const auto& [name, kind] : kinds) {
        n += kind.objects;
    }
    return n;
}

std::uint64_t plan_part::bytes() const {
    std::uint64_t n = 0;
    for (const auto& [name, kind] : kinds) {
        n += kind.bytes;
    }
    return n;
}

std::uint64_t plan::objects() const {
    std::uint64_t n = 0;
    for (const auto& part : parts) {
        n += part.objects();
    }
    return n;
}

std::uint64_t plan::bytes() const {
    std::uint64_t n = 0;
    for (const auto& part : parts) {
        n += part.bytes();
    }
    return n;
}

task<core::result<plan>> make_plan(context& with, auth::token_source& tokens) {
    with.count.phase = "reading the tree";
    plan p;
    auto list = [&with] { return with.tree.containers(); };
    auto containers = co_await with.disk.run(std::move(list));
    if (!containers) {
        co_return containers.error();
    }
    scanner scan(with, p);
    for (auto& c : *containers) {
        plan_part part;
        part.from = std::move(c);
        const auto before = p.cannot_count;
        auto done = co_await scan.scan(part);
        if (!done) {
            co_return done.error();
        }
        if (part.objects() > 0 || p.cannot_count > before) {
            p.parts.push_back(std::move(part));
        }
    }
    if (p.parts.empty()) {
        core::error e(core::error_kind::usage, "nothing there is selected");
        e.object = with.tree.root().path() + "/" + with.tree.start();
        e.hint = "--select takes patterns over paths in the tree, such as 'users/ann@*/onedrive/Reports'";
        co_return e;
    }
    with.count.phase = "looking at the target";
    for (auto& part : p.parts) {
        auto found = co_await find_target(with, part, p.parts.size() > 1);
        if (!found) {
            co_return found.error();
        }
    }
    auto token = co_await tokens.get();
    if (!token) {
        co_return token.error();
    }
    if (const auto facts = auth::decode_token(token->value)) {
        check_roles(with, p, facts->roles);
    }
    co_await check_room(with, p);
    estimate(with, p);
    co_return p;
}

namespace {

/// Puts every part back once.
task<core::result<void>> put_all(context& with, const plan& p) {
    for (const auto& part : p.parts) {
        if (!part.obstacle.empty()) {
            entry e;
            e.kind = "container";
            e.state = outcome::failed;
            e.detail = part.obstacle;
            co_await with.log.put(part.from.path, std::move(e));
            continue;
        }
        auto done = co_await restore_drive(with, part.from, part.to);
        if (!done && core::exit_code_for(done.error().kind) != core::exit_code::some_failed) {
            co_return done;
        }
        if (!done) {
            entry e;
            e.kind = "container";
            e.state = outcome::failed;
            e.detail = core::describe(done.error());
            co_await with.log.put(part.from.path, std::move(e));
        }
    }
    co_return core::result<void>();
}

}  // namespace

task<core::result<void>> execute(context& with, const plan& p) {
    // A second round puts back what an earlier run did and what is gone since.
    for (int round = 0; round < 2; ++round) {
        with.count.phase = "putting back";
        with.count.objects_done = 0;
        auto put = co_await put_all(with, p);
        if (!put) {
            co_return put;
        }
        with.count.phase = "reading back";
        auto open = co_await read_back_drives(with, round > 0);
        if (!open) {
            co_return open.error();
        }
        if (*open == 0) {
            break;
        }
    }
    co_return core::result<void>();
}

}  // namespace m365stage::restore
