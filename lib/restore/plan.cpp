#include "restore/plan.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace m365stage::restore {
namespace {

/// Counts what is in one container.
class scanner {
public:
    scanner(context& with, plan& out) : with_(with), out_(out) {}

    task<void> scan(plan_part& part) {
        const auto& start = with_.tree.start();
        std::vector<std::string> todo{start.size() > part.from.path.size() ? start : part.from.path};
        while (!todo.empty()) {
            auto work = [this, &part, &todo, path = todo.back()] {
                todo.pop_back();
                folder(part, todo, path);
                return true;
            };
            co_await with_.disk.run(std::move(work));
        }
    }

private:
    void folder(plan_part& part, std::vector<std::string>& todo, const std::string& path) {
        auto names = with_.tree.names(path, with_.asked);
        if (!names) {
            out_.leave_out(path, reason_of(names.error()));
            return;
        }
        for (const auto& name : *names) {
            const auto o = with_.tree.read(path, name);
            if (o.meta.type == "container") {
                continue;
            }
            if (is_entered(o)) {
                todo.push_back(o.path);
            }
            if (with_.asked.selects(o.path)) {
                count(part, o);
            }
        }
    }

    void count(plan_part& part, const object& o) {
        if (part.what == nullptr) {
            ++part.words[o.folder ? "folder" : "object"].objects;
            return;
        }
        const auto verdict = part.what->judge(o, with_.asked);
        if (verdict.action == decision::what::cannot) {
            out_.leave_out(o.path, verdict.why);
            part.words[part.what->word_for(o)];
            return;
        }
        if (verdict.action == decision::what::skip_quietly) {
            ++out_.quiet[verdict.why];
            return;
        }
        if (o.folder && part.what->is_transparent(o)) {
            return;
        }
        const auto cost = part.what->effort_of(o, with_.asked);
        auto& word = part.words[part.what->word_for(o)];
        ++word.objects;
        word.bytes += cost.bytes;
        part.costs += cost;
        for (auto& name : part.what->parts_of(o)) {
            if (part.parts.size() < most_parts || part.parts.contains(name)) {
                ++part.parts[std::move(name)];
            }
        }
        ++with_.count.objects;
        with_.count.bytes += cost.bytes;
    }

    static constexpr std::size_t most_parts = 1000;  // no library has more columns

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
task<core::result<std::string>> new_folder_name(context& with, const kind& k, const target& to) {
    const auto key =
        "into " + journal_target(k, to) + "/" + (to.below.empty() ? std::string() : to.below.back());
    if (auto chosen = with.log.info(key); !chosen.empty()) {
        co_return chosen;
    }
    const auto wanted = "Restored " + today();
    auto name = wanted;
    for (int number = 2;; ++number) {
        auto taken = co_await k.is_taken(with, to, name);
        if (!taken) {
            co_return taken.error();
        }
        if (!*taken) {
            break;
        }
        name = wanted + " (" + std::to_string(number) + ")";
    }
    with.log.set_info(key, name);
    co_return name;
}

/// Looks the target up: what --to names, or where the container came from.
task<core::result<target>> look_up(context& with, plan_part& part) {
    if (!with.asked.to.empty()) {
        auto where = parse_place(with.asked.to);
        if (!where) {
            co_return where.error();
        }
        auto found = co_await part.what->find(with.graph, std::move(*where));
        co_return found;
    }
    std::string note;
    auto found = co_await part.what->find_origin(with.graph, part.from, note);
    if (!note.empty()) {
        part.notes.push_back(note);
    }
    co_return found;
}

/// Sets where a part goes. Errors: why it can't.
task<core::result<void>> choose_target(context& with, plan_part& part, bool several) {
    auto found = co_await look_up(with, part);
    if (!found) {
        co_return found.error();
    }
    part.to = std::move(*found);
    const auto scope = part.what->scope_of(part.to);
    auto& scopes = with.count.scopes;
    const bool known = std::any_of(scopes.begin(), scopes.end(), [&](const graph::scope& one) {
        return one.svc == scope.svc && one.key == scope.key;
    });
    if (!known) {
        scopes.push_back(scope);
    }
    if (!with.asked.into.empty()) {
        part.to.below.push_back(with.asked.into);
    } else if (!with.asked.in_place) {
        auto name = co_await new_folder_name(with, *part.what, part.to);
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

/// What objects have that their target does not take.
task<core::result<void>> find_lost_parts(context& with, plan_part& part) {
    if (part.parts.empty()) {
        co_return core::result<void>();
    }
    std::vector<std::string> names;
    for (const auto& [name, count] : part.parts) {
        names.push_back(name);
    }
    auto judged = co_await part.what->judge_parts(with, part.to, std::move(names));
    if (!judged && ends_restore(judged.error())) {
        co_return judged.error();
    }
    if (!judged) {
        part.notes.push_back(core::describe(judged.error()));
        co_return core::result<void>();
    }
    for (auto& [name, why] : *judged) {
        part.lost.push_back({std::move(why), part.parts[name]});
    }
    co_return core::result<void>();
}

/// Sets where each part goes, or why it can't. Errors: those that concern every part.
task<core::result<void>> find_targets(context& with, plan& p) {
    core::result<void> away;
    for (auto& part : p.parts) {
        if (!part.obstacle.empty()) {
            continue;
        }
        auto found = co_await choose_target(with, part, p.parts.size() > 1);
        if (found) {
            found = co_await find_lost_parts(with, part);
        }
        if (found) {
            continue;
        }
        const auto& why = found.error();
        if (ends_restore(why)) {
            co_return found;
        }
        part.obstacle = reason_at(part.from.path, why);
        part.forbidden = why.kind == core::error_kind::forbidden;
        part.passing = core::is_transient(why.kind);
        stop_if_away(with, why);
        away = core::exit_code_for(why.kind) == core::exit_code::unreachable ? found : away;
    }
    const bool none =
        std::all_of(p.parts.begin(), p.parts.end(), [](const plan_part& part) { return part.passing; });
    co_return !p.parts.empty() && none ? away : core::result<void>();
}

/// What is there may not be enough for what is to come.
task<void> check_room(context& with, plan& p) {
    std::map<std::string, std::uint64_t> needed;
    for (const auto& part : p.parts) {
        if (part.obstacle.empty()) {
            needed[journal_target(*part.what, part.to)] += part.costs.bytes;
        }
    }
    for (auto& part : p.parts) {
        if (!part.obstacle.empty()) {
            continue;
        }
        const auto name = journal_target(*part.what, part.to);
        const auto done = co_await with.log.bytes_written(name);
        const auto all = needed[name];
        const auto left = all - std::min(all, done);
        if (!part.to.room || left <= static_cast<std::uint64_t>(*part.to.room)) {
            continue;
        }
        auto short_of = part.to.label + " has room for " + std::to_string(*part.to.room) + " bytes and " +
                        std::to_string(left) + " are needed";
        if (with.asked.in_place) {  // what is still there needs none: nobody knows before it is looked at
            part.notes.push_back(short_of + " if nothing of it is there any more");
        } else {
            part.obstacle = short_of + ": make room, or select less";
        }
    }
}

/// The application permissions that the token grants, against those that are needed (contract 9).
void check_roles(context& with, plan& p, const std::vector<std::string>& roles) {
    for (auto& part : p.parts) {
        if (part.what == nullptr) {
            continue;
        }
        const auto found = part.what->check_roles(roles, with.asked);
        part.obstacle = found.obstacle;
        part.forbidden = !found.obstacle.empty();
        for (const auto& note : found.notes) {
            if (std::find(p.notes.begin(), p.notes.end(), note) == p.notes.end()) {
                p.notes.push_back(note);
            }
        }
    }
}

/// Targets that share limits follow each other; the others run side by side.
void estimate(context& with, plan& p) {
    std::map<std::string, std::pair<const kind*, effort>> all;
    for (const auto& part : p.parts) {
        p.costs += part.costs;
        if (part.obstacle.empty()) {
            auto& [k, sum] = all[part.what->limit_key(part.to)];
            k = part.what;
            sum += part.costs;
        }
    }
    for (const auto& [key, one] : all) {
        p.seconds = std::max(p.seconds, one.first->seconds(with.graph, one.second));
    }
}

}  // namespace

std::uint64_t plan_part::objects() const {
    std::uint64_t n = 0;
    for (const auto& [name, word] : words) {
        n += word.objects;
    }
    return n;
}

std::string plan::shown(const std::string& path) const {
    for (const auto& part : parts) {
        if (!path.starts_with(':') || part.what == nullptr) {
            continue;
        }
        const auto key = ":" + journal_target(*part.what, part.to) + "/";
        if (path.starts_with(key)) {
            return part.to.label + path.substr(key.size() - 1);
        }
    }
    return path;
}

bool plan::is_forbidden() const {
    return !parts.empty() &&
           std::all_of(parts.begin(), parts.end(), [](const plan_part& part) { return part.forbidden; });
}

void plan::leave_out(const std::string& path, const std::string& why) {
    ++cannot_count;
    if (cannot.size() < most_listed) {
        cannot.emplace_back(path, why);
    }
}

std::uint64_t plan::objects() const {
    std::uint64_t n = 0;
    for (const auto& part : parts) {
        n += part.objects();
    }
    return n;
}

task<core::result<plan>> make_plan(context& with, auth::token_source& tokens) {
    with.count.phase = "reading the tree";
    plan p;
    auto list = [&with] { return with.tree.containers(with.asked); };
    auto containers = co_await with.disk.run(std::move(list));
    if (!containers) {
        co_return containers.error();
    }
    scanner scan(with, p);
    p.flawed = std::move(containers->flawed);
    for (const auto& one : p.flawed) {
        p.leave_out(one.path, one.why);
    }
    for (auto& c : containers->all) {
        plan_part part;
        part.from = std::move(c);
        part.what = find_kind(part.from.kind);
        part.obstacle = part.what == nullptr ? "this version can't put " + part.from.kind + " back" : "";
        const auto before = p.cannot_count;
        co_await scan.scan(part);
        if (part.objects() > 0 || p.cannot_count > before) {
            p.parts.push_back(std::move(part));
        }
    }
    if (p.parts.empty() && p.flawed.empty()) {
        core::error e(core::error_kind::usage, "nothing there is selected");
        e.object = with.tree.root().path() + "/" + with.tree.start();
        e.hint = "--select takes patterns over paths in the tree, such as 'users/ann@*/onedrive/Reports'";
        if (!p.quiet.empty()) {
            e.cause = "everything that is selected is left out: " + p.quiet.begin()->first;
            e.hint = "change that option, or select something else";
        }
        co_return e;
    }
    with.count.phase = "looking at the target";
    auto token = co_await tokens.get();
    if (!token) {
        co_return token.error();
    }
    if (const auto facts = auth::decode_token(token->value)) {
        check_roles(with, p, facts->roles);
    }
    auto found = co_await find_targets(with, p);
    if (!found) {
        co_return found.error();
    }
    co_await check_room(with, p);
    estimate(with, p);
    co_return p;
}

}  // namespace m365stage::restore
