// Changes to drives: precise ones by name, and random batches by seed.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "columns.hpp"
#include "seed.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

std::vector<std::string> names_in(const json& spec, const char* list, const char* path) {
    if (spec.contains(list)) {
        return spec[list].get<std::vector<std::string>>();
    }
    return split(spec.value(path, ""), '/');
}

std::string path_of(const drive& d, item_index i) {
    std::string out;
    for (const auto& n : d.names_of(i)) {
        out += (out.empty() ? "" : "/") + n;
    }
    return out;
}

item_index target_of(const drive& d, const json& spec) {
    item_index i = spec.contains("id") ? d.find_id(spec["id"].get<std::string>())
                                       : d.find_path(root_item, names_in(spec, "names", "path"));
    if (i == no_item || d.at(i).has(flag_deleted)) {
        throw std::runtime_error("op: there is no such item: " + spec.dump());
    }
    return i;
}

content content_in(world& w, const json& spec) {
    content c;
    if (spec.contains("text")) {
        std::string text = spec["text"].get<std::string>();
        std::string path = w.content_path();
        std::FILE* out = std::fopen(path.c_str(), "wb");
        if (out == nullptr || std::fwrite(text.data(), 1, text.size(), out) != text.size() ||
            std::fclose(out) != 0) {
            throw std::runtime_error("op: cannot write " + path);
        }
        c.path = std::make_shared<const std::string>(path);
        c.size = static_cast<std::int64_t>(text.size());
        return c;
    }
    c.seed = spec.value("seed", mix(++w.serial));
    c.size = spec.value("size", std::int64_t{1000});
    return c;
}

item_kind kind_in(const json& spec) {
    std::string type = spec.value("type", "file");
    if (type == "folder") {
        return item_kind::folder;
    }
    if (type == "package") {
        return item_kind::package;
    }
    if (type == "shortcut") {
        return item_kind::shortcut;
    }
    if (type != "file") {
        throw std::runtime_error("op: type is file, folder, package or shortcut");
    }
    return item_kind::file;
}

item_index op_create(world& w, drive& d, const json& spec) {
    auto names = names_in(spec, "names", "path");
    item_index parent = root_item;
    if (spec.contains("parent")) {
        parent = d.find_id(spec["parent"].get<std::string>());
        names = {spec.value("name", "")};
    }
    if (names.empty() || parent == no_item || d.at(parent).has(flag_deleted)) {
        throw std::runtime_error("op: create needs path, names or parent and name");
    }
    for (std::size_t n = 0; n + 1 < names.size(); ++n) {
        item_index next = d.find_child(parent, names[n]);
        parent = next != no_item ? next : d.create(parent, names[n], item_kind::folder, {}, w.now());
    }
    if (d.find_child(parent, names.back()) != no_item && !spec.value("force", false)) {
        throw std::runtime_error("op: there is an item of that name: " + names.back());
    }
    item_kind kind = kind_in(spec);
    item_index i = d.create(
        parent, names.back(), kind, kind == item_kind::file ? content_in(w, spec) : content(), w.now()
    );
    if (kind == item_kind::shortcut) {
        d.make_extra(i).target_drive = spec.value("target_drive", d.id);
        d.make_extra(i).target_item = spec.value("target_item", d.item_id(root_item));
    }
    d.set_times(i, spec.value("created", std::int64_t{0}), spec.value("mtime", std::int64_t{0}));
    d.set_flag(i, flag_no_hash, spec.value("no_hash", false));
    return i;
}

permission permission_in(world& w, const json& spec) {
    permission p;
    p.id = base64url(w.fresh_id());
    p.role = spec.value("role", "read");
    p.scope = spec.value("scope", "");
    p.link_type = p.scope.empty() ? "" : (p.role == "write" ? "edit" : "view");
    p.email = spec.value("email", p.scope.empty() ? "bela@contoso.example" : "");
    const user* u = w.directory.find_user(p.email);
    p.user_id = u != nullptr ? u->id : (p.email.empty() ? "" : guid_of(hash_of(p.email), 1));
    p.display_name = u != nullptr ? u->display_name : p.email;
    p.expiration = spec.value("expiration", "");
    p.others = spec.value("others", std::vector<std::string>());
    return p;
}

void op_move(world& w, drive& d, item_index i, const json& spec) {
    item_index to = root_item;
    if (spec.contains("to_id")) {
        to = d.find_id(spec["to_id"].get<std::string>());
    } else if (spec.contains("to")) {
        to = d.find_path(root_item, split(spec["to"].get<std::string>(), '/'));
    }
    if (to == no_item || d.at(to).has(flag_deleted) || d.is_below(to, i)) {
        throw std::runtime_error("op: 'to' is no folder that the item can be moved to");
    }
    d.relocate(i, to, spec.value("name", d.at(i).name), 0);
    (void)w;
}

void apply(world& w, drive& d, item_index i, const std::string& op, const json& spec) {
    std::int64_t now = w.now();
    if (op == "edit") {
        d.edit(i, content_in(w, spec), now);
        d.set_times(i, 0, spec.value("mtime", std::int64_t{0}));
    } else if (op == "rename") {
        d.relocate(i, d.at(i).parent, spec.at("name").get<std::string>(), now);
    } else if (op == "move") {
        op_move(w, d, i, spec);
    } else if (op == "delete") {
        d.remove(i, now);
    } else if (op == "touch") {
        d.set_times(i, spec.value("created", std::int64_t{0}), spec.value("mtime", std::int64_t{0}));
        if (spec.contains("description")) {
            d.make_extra(i).description = spec["description"].get<std::string>();
        }
        d.touch(i, now);
    } else if (op == "share") {
        d.make_extra(i).permissions.push_back(permission_in(w, spec));
        d.touch_sharing(i, now);
    } else if (op == "unshare") {
        d.make_extra(i).permissions.clear();
        d.touch_sharing(i, now);
    } else if (op == "malware") {
        d.set_flag(i, flag_malware, spec.value("on", true));
        d.touch(i, now);
    } else if (op == "altered") {
        d.make_extra(i).altered_size = spec.value("served_size", std::int64_t{-1});
        d.set_flag(i, flag_altered, spec.value("on", true));
        d.touch(i, now);
    } else if (op == "no_hash") {
        d.set_flag(i, flag_no_hash, spec.value("on", true));
        d.touch(i, now);
    } else if (op == "fields") {
        set_fields(w, d, i, spec.at("set"));
    } else if (op == "swap") {
        json other = spec;
        other.erase("id");
        other.erase("names");
        other["path"] = spec.value("with", "");
        d.swap_names(i, target_of(d, other), now);
    } else {
        throw std::runtime_error("op: there is no op '" + op + "'");
    }
}

/// One batch of random changes over some drives.
class shuffler {
public:
    shuffler(world& w, rng r) : w_(w), r_(r) {}

    bool one(drive& d, const std::string& what, json& note) {
        note = {{"op", what}, {"drive", d.id}};
        if (what == "create_file" || what == "create_folder") {
            return create(d, what == "create_folder", note);
        }
        if (what == "new_parents") {
            return new_parents(d, note);
        }
        if (what == "create_delete") {
            item_index i = d.create(folder(d), fresh("gone"), item_kind::file, bytes(), w_.now());
            note["path"] = path_of(d, i);
            d.remove(i, w_.now());
            return true;
        }
        item_index i =
            what == "rename_folder" || what == "move_folder" || what == "delete_folder" ? some(d, true)
            : what == "touch" || what == "share" || what == "unshare" || what == "swap" || what == "fields"
                ? some(d, r_.chance(0.2))
                : some(d, false);
        if (i == no_item) {
            return false;
        }
        note["id"] = d.item_id(i);
        note["path"] = path_of(d, i);
        return change(d, i, what, note);
    }

private:
    std::string fresh(const char* stem) {
        return std::string(stem) + " " + hex64(r_.next()).substr(0, 8) + (r_.chance(0.5) ? ".txt" : "");
    }

    content bytes() {
        content c;
        c.seed = r_.next();
        c.size =
            r_.chance(0.05)
                ? 0
                : static_cast<std::int64_t>(
                      r_.below(static_cast<std::uint64_t>(std::max<std::int64_t>(w_.options.file_size_max, 1))
                      ) +
                      1
                  );
        return c;
    }

    /// Some live item of that sort by trying places; no_item when there seems to be none.
    item_index some(const drive& d, bool wants_folder) {
        for (int n = 0; n < 200 && d.items().size() > 1; ++n) {
            auto i = static_cast<item_index>(1 + r_.below(d.items().size() - 1));
            const item& it = d.at(i);
            bool fits = wants_folder
                            ? it.kind == item_kind::folder
                            : it.kind == item_kind::file && !it.has(flag_malware) && !it.has(flag_altered);
            bool in_package = it.parent != no_item && d.at(it.parent).kind == item_kind::package;
            if (!it.has(flag_deleted) && fits && !in_package) {
                return i;
            }
        }
        return no_item;
    }

    item_index folder(const drive& d) {
        item_index i = r_.chance(0.3) ? no_item : some(d, true);
        return i == no_item ? root_item : i;
    }

    bool create(drive& d, bool is_folder, json& note) {
        item_index i = d.create(
            folder(d), fresh("new"), is_folder ? item_kind::folder : item_kind::file,
            is_folder ? content() : bytes(), w_.now()
        );
        note["id"] = d.item_id(i);
        note["path"] = path_of(d, i);
        if (is_folder && r_.chance(0.5)) {
            d.create(i, fresh("inside"), item_kind::file, bytes(), w_.now());
        }
        return true;
    }

    /// A folder goes from one new folder to another new one: the first is deleted again or stays.
    bool new_parents(drive& d, json& note) {
        item_index a = d.create(folder(d), fresh("from"), item_kind::folder, {}, w_.now());
        item_index b = d.create(folder(d), fresh("to"), item_kind::folder, {}, w_.now());
        item_index moving = some(d, true);
        if (moving == no_item || moving == a || moving == b || d.is_below(a, moving) ||
            d.is_below(b, moving)) {
            moving = d.create(a, fresh("moved"), item_kind::folder, {}, w_.now());
            d.create(moving, fresh("inside"), item_kind::file, bytes(), w_.now());
        } else {
            relocate(d, moving, a);
        }
        relocate(d, moving, b);
        note["id"] = d.item_id(moving);
        note["path"] = path_of(d, moving);
        return true;
    }

    void relocate(drive& d, item_index i, item_index to) {
        item_index there = d.find_child(to, d.at(i).name);
        std::string name = there != no_item && there != i ? fresh("moved") : d.at(i).name;
        d.relocate(i, to, name, 0);
    }

    bool change(drive& d, item_index i, const std::string& what, json& note) {
        std::int64_t now = w_.now();
        item_index parent = d.at(i).parent;
        std::string name = d.at(i).name;
        if (what == "edit") {
            d.edit(i, bytes(), now);
        } else if (what == "touch") {
            d.set_times(i, 0, now - static_cast<std::int64_t>(r_.below(1000000)));
            d.make_extra(i).description = fresh("about");
            d.touch(i, now);
        } else if (what == "fields") {
            if (d.columns.empty()) {
                return false;
            }
            note["set"] = random_fields(r_);
            set_fields(w_, d, i, note["set"]);
        } else if (what == "rename_file" || what == "rename_folder") {
            d.relocate(i, parent, fresh("renamed"), now);
        } else if (what == "move_file" || what == "move_folder") {
            item_index to = folder(d);
            if (d.is_below(to, i) || to == parent) {
                return false;
            }
            relocate(d, i, to);
        } else if (what == "swap") {
            auto siblings = d.children(parent);
            item_index other = siblings[r_.below(siblings.size())];
            if (other == i) {
                return false;
            }
            note["with"] = path_of(d, other);
            d.swap_names(i, other, now);
        } else if (what == "delete_file" || what == "delete_folder") {
            d.remove(i, now);
        } else if (what == "recreate") {
            d.remove(i, now);
            note["new_id"] = d.item_id(d.create(parent, name, item_kind::file, bytes(), now));
        } else if (what == "file_to_folder") {
            d.remove(i, now);
            item_index made = d.create(parent, name, item_kind::folder, {}, now);
            d.create(made, fresh("inside"), item_kind::file, bytes(), now);
            note["new_id"] = d.item_id(made);
        } else if (what == "share") {
            json spec = {{"role", r_.chance(0.5) ? "read" : "write"}};
            if (r_.chance(0.5)) {
                spec["scope"] = r_.chance(0.5) ? "organization" : "anonymous";
            }
            d.make_extra(i).permissions.push_back(permission_in(w_, spec));
            d.touch_sharing(i, now);
        } else {
            const auto* e = d.extra(i);
            if (e == nullptr || e->permissions.empty()) {
                return false;
            }
            d.make_extra(i).permissions.clear();
            d.touch_sharing(i, now);
        }
        if (!d.at(i).has(flag_deleted)) {
            note["now"] = path_of(d, i);
        }
        return true;
    }

    world& w_;
    rng r_;
};

using weight_list = std::vector<std::pair<std::string, double>>;

const weight_list drive_weights = {{"create_file", 10},   {"create_folder", 3},  {"edit", 10},
                                   {"touch", 4},          {"rename_file", 5},    {"rename_folder", 3},
                                   {"move_file", 5},      {"move_folder", 3},    {"swap", 2},
                                   {"delete_file", 4},    {"delete_folder", 1},  {"recreate", 2},
                                   {"file_to_folder", 1}, {"folder_to_file", 1}, {"new_parents", 2},
                                   {"share", 3},          {"unshare", 2},        {"create_delete", 2},
                                   {"fields", 3}};

/// The one drive that is named, or all that people work in.
std::vector<drive*> drives_in(world& w, const json& spec) {
    if (spec.contains("drive") || spec.contains("user") || spec.contains("site") || spec.contains("group")) {
        drive* d = drive_of(w, spec);
        if (d == nullptr) {
            throw std::runtime_error("change: there is no such drive");
        }
        return {d};
    }
    std::vector<drive*> out;
    for (std::uint32_t n = 0; n < w.directory.drive_count(); ++n) {
        drive& d = w.directory.drive_at(n);
        if (!d.removed && !d.locked && !d.system && d.name != "PersonalCacheLibrary") {
            out.push_back(&d);
        }
    }
    return out;
}

weight_list weights_in(const json& spec) {
    json given = spec.value("weights", json::object());
    weight_list out;
    for (const auto& [name, weight] : drive_weights) {
        out.emplace_back(name, given.empty() ? weight : given.value(name, 0.0));
    }
    for (const auto& [name, value] : given.items()) {
        if (std::none_of(out.begin(), out.end(), [&](const auto& p) { return p.first == name; })) {
            throw std::runtime_error("change: there is no kind of change '" + name + "'");
        }
    }
    return out;
}

std::string picked_change(rng& r, const weight_list& from) {
    double total = 0;
    for (const auto& [name, weight] : from) {
        total += weight;
    }
    double at = static_cast<double>(r.next() >> 11) * 0x1.0p-53 * total;
    for (const auto& [name, weight] : from) {
        if (at < weight) {
            return name;
        }
        at -= weight;
    }
    return from.back().first;
}

/// A folder goes and a file takes its name: told as a deletion of the folder first. False: there is none.
bool folder_to_file(world& w, drive& d, rng& r, json& note) {
    for (auto i = static_cast<item_index>(d.items().size()); i-- > 1;) {
        if (d.at(i).has(flag_deleted) || d.at(i).kind != item_kind::folder || d.at(i).child_count >= 4) {
            continue;
        }
        item_index parent = d.at(i).parent;
        std::string name = d.at(i).name;
        note = {{"op", "folder_to_file"}, {"drive", d.id}, {"id", d.item_id(i)}, {"path", path_of(d, i)}};
        d.remove(i, w.now());
        content c;
        c.seed = r.next();
        c.size = 777;
        note["new_id"] = d.item_id(d.create(parent, name, item_kind::file, c, w.now()));
        return true;
    }
    return false;
}

}  // namespace

json random_changes(world& w, const json& spec) {
    rng r(spec.value("seed", std::uint64_t{1}) * 7919 + 13);
    std::vector<drive*> drives = drives_in(w, spec);
    weight_list weights = weights_in(spec);
    json done = json::array();
    std::int64_t wanted = spec.value("count", std::int64_t{10});
    for (std::int64_t tries = 0;
         !drives.empty() && static_cast<std::int64_t>(done.size()) < wanted && tries < wanted * 20; ++tries) {
        std::string what = picked_change(r, weights);
        drive& d = *drives[r.below(drives.size())];
        json note;
        shuffler s(w, rng(r.next()));
        if (what == "folder_to_file" ? folder_to_file(w, d, r, note) : s.one(d, what, note)) {
            done.push_back(std::move(note));
        }
    }
    return done;
}

json precise_change(world& w, const json& spec) {
    std::string op = spec.value("op", "");
    drive* d = drive_of(w, spec);
    if (d == nullptr) {
        throw std::runtime_error("op: there is no such drive");
    }
    if (op == "columns") {
        add_columns(*d);
        const auto without = spec.value("without", std::vector<std::string>());
        std::erase_if(d->columns, [&](const column& c) {
            return std::find(without.begin(), without.end(), c.name) != without.end();
        });
        return {{"drive", d->id}};
    }
    if (op == "lock" || op == "unlock") {
        d->locked = op == "lock";
        return {{"drive", d->id}};
    }
    item_index i = no_item;
    if (op == "create") {
        i = op_create(w, *d, spec);
    } else {
        i = target_of(*d, spec);
        apply(w, *d, i, op, spec);
    }
    return {{"id", d->item_id(i)}, {"drive", d->id}, {"path", path_of(*d, i)}};
}

}  // namespace m365stage::sim
