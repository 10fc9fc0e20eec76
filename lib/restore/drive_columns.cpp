#include "restore/drive_columns.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "restore/kind.hpp"
#include "sources/drive_columns.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::column_kind;

const sources::column* find_column(const std::vector<sources::column>& all, const std::string& staged_name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const sources::column& c) {
        return c.name == staged_name || sources::field_of(c) == staged_name;
    });
    return found == all.end() ? nullptr : &*found;
}

std::string joined(const std::vector<std::string>& reasons) {
    std::string out;
    for (const auto& one : reasons) {
        out += (out.empty() ? "" : "; ") + one;
    }
    return out;
}

/// Numbers that mean the same are the same: 3 and 3.0.
std::string tag_of(const json& value) {
    constexpr double exact = 9e15;
    if (value.is_number_float()) {
        const auto number = value.get<double>();
        if (std::floor(number) == number && std::abs(number) < exact) {
            return core::short_tag(std::to_string(static_cast<std::int64_t>(number)), 10);
        }
    }
    return core::short_tag(sources::canonical(value), 10);
}

json ids_of(const json& people) {
    json out = json::array();
    for (const auto& one : people) {
        if (const auto* id = sources::member(one, "LookupId")) {
            out.push_back(*id);
        }
    }
    return out;
}

/// Those that can be written there. Errors: passing ones, and a missing permission.
task<core::result<std::vector<sources::column>>> writable_there(context& with, std::string drive) {
    auto list = co_await sources::read_column_list(with.graph, std::move(drive), "columns of the target");
    if (!list && (core::is_transient(list.error().kind) || ends_all(list.error()) ||
                  list.error().kind == core::error_kind::forbidden)) {
        co_return list.error();
    }
    co_return sources::writable_columns(list ? *list : json::array());
}

}  // namespace

std::vector<std::string> column_names(const object& o) {
    std::vector<std::string> out;
    if (!o.meta.columns.empty()) {
        const auto staged = json::parse(o.meta.columns, nullptr, false);
        for (const auto& [name, value] : staged.items()) {
            out.push_back(name);
        }
    }
    return out;
}

task<core::result<std::map<std::string, std::string>>> judge_columns(
    context& with, drive_calls calls, bool same_list, std::vector<std::string> names
) {
    auto there = co_await writable_there(with, calls.drive());
    if (!there) {
        co_return there.error();
    }
    std::map<std::string, std::string> out;
    for (const auto& name : names) {
        const json one{{name, json()}};
        auto judged = plan_columns(one, *there, same_list);
        if (!judged.left_out.empty()) {
            out.emplace(name, std::move(judged.left_out.front()));
        }
    }
    co_return out;
}

std::string columns_path(const std::string& object) {
    return object + "\n" + std::string(columns_word);
}

json field_members(const std::string& staged_name, const json& value, bool lookup) {
    json out = json::object();
    if (!value.is_array()) {
        out[staged_name] = value;
        return out;
    }
    // Several values have to say what they are (contract 8.3).
    const auto name = lookup ? staged_name + "LookupId" : staged_name;
    out[name + "@odata.type"] = lookup ? "Collection(Edm.Int32)" : "Collection(Edm.String)";
    out[name] = lookup ? ids_of(value) : value;
    return out;
}

column_plan plan_columns(const json& staged, const std::vector<sources::column>& there, bool same_list) {
    column_plan out;
    for (const auto& [name, value] : staged.items()) {
        const auto* c = find_column(there, name);
        const auto quoted = "'" + (c != nullptr ? c->name : name) + "' ";
        if (c == nullptr) {
            out.left_out.push_back(quoted + "is no column here that can be written");
        } else if (c->kind == column_kind::unwritable) {
            out.left_out.push_back(quoted + "is of a kind that Graph can't write");
        } else if (c->kind == column_kind::lookup && !same_list) {
            out.left_out.push_back(quoted + "points to people or entries of the place it came from");
        } else {
            out.body.emplace_back(
                name, sources::canonical(field_members(name, value, c->kind == column_kind::lookup))
            );
        }
    }
    return out;
}

std::string column_tags(const json& values, const std::vector<std::string>& names) {
    json out = json::object();
    for (const auto& name : names) {
        if (const auto* value = sources::member(values, name)) {
            out[name] = tag_of(*value);
        }
    }
    return sources::canonical(out);
}

std::vector<std::string> differing_columns(const std::string& tags, const json& fields) {
    std::vector<std::string> out;
    const auto wanted = json::parse(tags, nullptr, false);
    if (!wanted.is_object()) {
        return out;
    }
    for (const auto& [name, tag] : wanted.items()) {
        const auto* value = sources::member(fields, name);
        if (value == nullptr || tag != tag_of(*value)) {
            out.push_back(name);
        }
    }
    return out;
}

/// The columns of one object.
struct column_writer::work {
    work() = default;
    json staged;
    column_plan plan;
    std::vector<std::string> written;  ///< staged names of what is there now
    bool kept = false;                 ///< something else is there, and stays

    /// What an earlier run wrote, by its tags, is not sent again.
    void leave_written(const std::string& tags) {
        const auto before = json::parse(tags, nullptr, false);
        std::erase_if(plan.body, [&](const auto& member) {
            const auto& name = member.first;
            const bool there = sources::text(before, name) == tag_of(staged[name]);
            if (there) {
                written.push_back(name);
            }
            return there;
        });
    }
};

task<core::result<void>> column_writer::ask() {
    auto there = co_await writable_there(with_, calls_.drive());
    if (!there) {
        co_return there.error();
    }
    columns_ = std::move(*there);
    co_return core::result<void>();
}

task<void> column_writer::put(std::string id, const object& o) {
    if (o.meta.columns.empty()) {
        co_return;
    }
    const auto path = columns_path(o.path);
    auto known = co_await with_.log.find(path, o.mark);
    entry e = std::move(known);
    if ((e.state == outcome::done || e.state == outcome::present) && e.id == id) {
        co_await with_.log.put(path, std::move(e));
        co_return;
    }
    const bool before = e.state == outcome::intended && e.id == id;
    const auto written = e.id == id ? std::move(e.hash) : std::string();
    e = entry();
    e.kind = columns_word;
    e.mark = o.mark;
    e.id = id;
    const auto ask_there = [this] { return ask(); };
    auto asked = co_await asked_.run(ask_there);
    work w;
    if (asked) {
        w.staged = json::parse(o.meta.columns, nullptr, false);
        w.plan = plan_columns(w.staged, columns_, same_list_);
        w.leave_written(written);
        auto object = co_await with_.log.find(o.path, o.mark);
        if (object.state != outcome::done && !before) {
            asked = co_await leave_present(id, o, w);
        }
    }
    if (!asked) {
        co_await note_failure(with_, path, std::move(e), asked.error());
        co_return;
    }
    const bool writes = !w.plan.body.empty();
    if (writes) {
        e.state = outcome::intended;
        co_await with_.log.put(path, e);
        co_await send(id, o, w);
    }
    e.hash = column_tags(w.staged, w.written);
    e.detail = joined(w.plan.left_out);
    e.state = w.plan.left_out.empty() ? (writes ? outcome::done : outcome::present)
              : w.kept                ? outcome::skipped
                                      : outcome::failed;
    with_.count.failed += e.state == outcome::failed ? 1 : 0;
    co_await with_.log.put(path, std::move(e));
}

/// An item that was there before: what it has already is left alone, be it the same or not.
task<core::result<void>> column_writer::leave_present(const std::string& id, const object& o, work& w) {
    if (w.plan.body.empty()) {
        co_return core::result<void>();
    }
    auto item = co_await with_.graph.get_json(sources::list_item_call(calls_.drive(), id, o.path));
    if (!item) {
        co_return item.error();
    }
    const auto* fields = sources::member(*item, "fields");
    std::vector<std::pair<std::string, std::string>> rest;
    for (auto& member : w.plan.body) {
        const auto& name = member.first;
        const auto* have = fields != nullptr ? sources::member(*fields, name) : nullptr;
        if (have != nullptr && tag_of(*have) == tag_of(w.staged[name])) {
            w.written.push_back(name);
        } else if (have != nullptr && with_.asked.conflict != conflict_rule::replace) {
            w.kept = true;
            w.plan.left_out.push_back("'" + name + "' has another value there, which is kept");
        } else {
            rest.push_back(std::move(member));
        }
    }
    w.plan.body = std::move(rest);
    co_return core::result<void>();
}

/// All at once, and one by one if the service refuses that: one bad value spoils no other.
task<void> column_writer::send(const std::string& id, const object& o, work& w) {
    json all = json::object();
    for (const auto& member : w.plan.body) {
        all.update(json::parse(member.second));
    }
    auto call = calls_.change_fields(id, all, o.path);
    auto sent = co_await with_.graph.send(std::move(call));
    for (const auto& [name, text] : w.plan.body) {
        if (!sent && sent.error().kind == core::error_kind::bad_request && w.plan.body.size() > 1) {
            call = calls_.change_fields(id, json::parse(text), o.path);
            auto alone = co_await with_.graph.send(std::move(call));
            if (alone) {
                w.written.push_back(name);
            } else {
                w.plan.left_out.push_back("'" + name + "' was refused: " + alone.error().cause);
            }
        } else if (sent) {
            w.written.push_back(name);
        } else {
            w.plan.left_out.push_back("'" + name + "' could not be written: " + sent.error().cause);
        }
    }
}

}  // namespace m365stage::restore
