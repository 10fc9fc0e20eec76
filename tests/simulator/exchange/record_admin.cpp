// Changes of contacts and tasks from outside, and what a copy of them should hold; below
// /_sim/exchange/records. README.md describes it.
#include "record_admin.hpp"

#include <algorithm>
#include <stdexcept>

#include "../world.hpp"
#include "changes.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

std::uint32_t folder_named(const record_store& s, const std::string& name) {
    std::uint32_t f = s.find_folder(name);
    for (std::uint32_t i = 0; f == nowhere && i < s.folders().size(); ++i) {
        f = !s.folder(i).deleted && s.folder(i).name == name ? i : f;
    }
    if (f == nowhere) {
        throw std::runtime_error("records: there is no folder '" + name + "'");
    }
    return f;
}

record_index record_named(const record_store& s, const json& spec) {
    const record_index i = s.find(spec.at("id").get<std::string>());
    if (i == nowhere) {
        throw std::runtime_error("records: there is no such item");
    }
    return i;
}

/// False: there is no such op.
bool change_record(world& w, record_store& s, const std::string& op, const json& spec, record_index i) {
    rng r(spec.value("seed", std::uint64_t{w.serial++}));
    if (op == "set") {
        s.set(i, spec.at("set"), w.now());
    } else if (op == "move") {
        s.move(i, folder_named(s, spec.at("to").get<std::string>()));
    } else if (op == "delete") {
        s.remove(i);
    } else if (op == "photo" || op == "no_photo") {
        s.at(i).photo = op == "photo" ? std::optional(seeded_photo(r)) : std::nullopt;
        s.touch(i, w.now());
    } else if (op == "wrong") {
        s.at(i).unserialisable = spec.value("wrong", "") == "unserialisable";
    } else if (op == "furnish") {
        furnish_task(s.at(i), r, w.now());
        s.touch(i, w.now());
    } else if (op == "attach") {
        attachment a;
        a.number = s.at(i).next_part++;
        a.name = spec.value("name", "file.bin");
        a.modified = w.now();
        a.data.seed = r.next();
        a.data.size = spec.value("size", std::int64_t{1000});
        s.at(i).attachments.push_back(std::move(a));
        s.touch(i, w.now());
    } else {
        return false;
    }
    return true;
}

json precise_record_change(world& w, const json& spec) {
    mailbox& b = named_mailbox(w, spec);
    const bool tasks = spec.value("what", "contacts") == "tasks";
    record_store& s = tasks ? tasks_of(b) : contacts_of(b);
    const std::string op = spec.value("op", "");
    if (op == "new_folder") {
        const std::uint32_t parent = spec.contains("parent") ? folder_named(s, spec["parent"])
                                     : tasks                 ? nowhere
                                                             : 0;
        return {{"folder", s.folder_id(s.add_folder(spec.at("name"), parent))}};
    }
    if (op == "rename_folder" || op == "delete_folder" || op == "move_folder") {
        const std::uint32_t f = folder_named(s, spec.at("folder"));
        if (op == "rename_folder") {
            s.rename_folder(f, spec.at("name"));
        } else if (op == "move_folder") {
            s.move_folder(f, folder_named(s, spec.at("to")));
        } else {
            s.remove_folder(f);
        }
        return {{"folder", s.folder_id(f)}};
    }
    if (op == "forget_sync_state") {
        ++s.hierarchy_generation;
        for (std::uint32_t f = 0; f < s.folders().size(); ++f) {
            ++s.folder(f).generation;
        }
        return {{"done", op}};
    }
    if (op == "clear_settings") {
        b.rules.reset();
        b.categories = std::make_shared<json>(json::array());
        return {{"done", op}};
    }
    if (op == "set_settings" && b.settings) {
        b.settings->merge_patch(spec.at("set"));
        return {{"done", op}};
    }
    if (op == "new") {
        const std::uint32_t f = folder_named(s, spec.value("folder", tasks ? "defaultList" : "contacts"));
        rng r(spec.value("seed", std::uint64_t{w.serial++}));
        json value = spec.contains("set") ? spec["set"] : tasks ? seeded_task(r) : seeded_contact(r);
        const record_index i = s.add(f, std::move(value), w.now());
        return {{"id", s.id(i, true)}};
    }
    const record_index i = record_named(s, spec);
    if (!change_record(w, s, op, spec, i)) {
        throw std::runtime_error("records: there is no op '" + op + "'");
    }
    return {{"id", s.id(i, true)}};
}

/// A random change of one store. `mutable_folders`: those from this one on may be renamed and removed.
void shake(world& w, record_store& s, rng& r, bool tasks) {
    std::vector<std::uint32_t> folders;
    std::vector<std::uint32_t> own;
    for (std::uint32_t f = 0; f < s.folders().size(); ++f) {
        if (!s.folder(f).deleted && s.folder(f).well_known != "flaggedEmails") {
            folders.push_back(f);
            if (s.folder(f).well_known.empty()) {
                own.push_back(f);
            }
        }
    }
    std::vector<record_index> live;
    for (record_index i = 0; i < s.records().size(); ++i) {
        if (!s.at(i).deleted) {
            live.push_back(i);
        }
    }
    const std::uint32_t to = folders[r.below(folders.size())];
    const std::uint64_t dice = r.below(100);
    if (dice < 25 || live.empty()) {
        const record_index i = s.add(to, tasks ? seeded_task(r) : seeded_contact(r), w.now());
        tasks ? furnish_task(s.at(i), r, w.now())
              : void(s.at(i).photo = r.chance(0.3) ? std::optional(seeded_photo(r)) : std::nullopt);
        return;
    }
    const record_index i = live[r.below(live.size())];
    if (dice < 45) {
        s.set(i, tasks ? seeded_task(r) : seeded_contact(r), w.now());
    } else if (dice < 55) {
        s.set(i, {{tasks ? "title" : "displayName", "Name " + std::to_string(r.below(1000))}}, w.now());
    } else if (dice < 65) {
        tasks ? furnish_task(s.at(i), r, w.now()) : void(s.at(i).photo = seeded_photo(r));
        s.touch(i, w.now());
    } else if (dice < 75 && !tasks) {
        s.move(i, to);
    } else if (dice < 85) {
        s.remove(i);
    } else if (dice < 90) {
        s.add_folder("Folder " + std::to_string(r.below(1000)), tasks ? nowhere : to);
    } else if (!own.empty()) {
        const std::uint32_t f = own[r.below(own.size())];
        if (dice < 96) {
            s.rename_folder(f, "Renamed / " + std::to_string(r.below(1000)));
        } else if (dice < 98 && !tasks && !s.is_below(to, f)) {
            s.move_folder(f, to);
        } else {
            s.remove_folder(f);
        }
    }
}

json random_record_changes(world& w, const json& spec) {
    rng r(spec.value("seed", std::uint64_t{1}));
    const std::string what = spec.value("what", "");
    std::vector<mailbox*> boxes;
    for (auto& b : w.exchange.mailboxes) {
        const bool named = !spec.contains("mailbox") || &named_mailbox(w, spec) == b.get();
        if (!b->removed && b->owner_kind == "user" && named) {
            boxes.push_back(b.get());
        }
    }
    if (boxes.empty()) {
        throw std::runtime_error("records: there is no mailbox");
    }
    const auto count = spec.value("count", std::int64_t{10});
    for (std::int64_t n = 0; n < count; ++n) {
        mailbox& b = *boxes[r.below(boxes.size())];
        const bool tasks = what.empty() ? r.chance(0.5) : what == "tasks";
        shake(w, tasks ? tasks_of(b) : contacts_of(b), r, tasks);
    }
    return {{"changes", count}};
}

json attachments_expected(const record& t) {
    json all = json::array();
    for (const auto& a : t.attachments) {
        all.push_back({{"name", a.name}, {"size", a.data.size}, {"sha256", sha256_of(a.data)}});
    }
    return all;
}

json parts_expected(const std::vector<record_part>& parts) {
    json all = json::array();
    for (const auto& p : parts) {
        all.push_back(p.value);
    }
    return all;
}

void tell_store(json& all, const mailbox& b, const record_store& s, const record_kind& k) {
    for (std::uint32_t f = 0; f < s.folders().size(); ++f) {
        if (s.folder(f).deleted) {
            continue;
        }
        all.push_back(
            {{"what", "folder"},
             {"kind", k.type},
             {"mailbox", b.address},
             {"id", s.folder_id(f)},
             {"path", s.path_of(f)},
             {"well_known", s.folder(f).well_known}}
        );
        for (record_index i : s.listing(f)) {
            const record& r = s.at(i);
            json line = {
                {"what", "item"},
                {"kind", k.type},
                {"mailbox", b.address},
                {"id", s.id(i, true)},
                {"path", s.path_of(f)},
                {"well_known", s.folder(f).well_known},
                {"wrong", r.unserialisable ? "unserialisable" : ""},
                {"object", k.item(s, i, true)}
            };
            if (r.photo) {
                line["photo"] = {{"size", r.photo->size}, {"sha256", sha256_of(*r.photo)}};
            }
            line["checklist"] = parts_expected(r.checklist);
            line["links"] = parts_expected(r.links);
            line["attachments"] = attachments_expected(r);
            all.push_back(std::move(line));
        }
    }
}

json expected(world& w, const request& r) {
    const std::string which = r.parameter("mailbox", "all");
    json all = json::array();
    for (auto& b : w.exchange.mailboxes) {
        if (b->removed || (which != "all" && &named_mailbox(w, {{"mailbox", which}}) != b.get())) {
            continue;
        }
        tell_store(all, *b, contacts_of(*b), contact_kind);
        tell_store(all, *b, tasks_of(*b), task_kind);
        all.push_back(
            {{"what", "settings"},
             {"mailbox", b->address},
             {"settings", b->settings ? *b->settings : json()},
             {"rules", b->rules ? *b->rules : json::array()},
             {"categories", b->categories ? *b->categories : json()}}
        );
    }
    return all;
}

}  // namespace

response serve_record_admin(world& w, const request& r, const std::vector<std::string>& s) {
    const std::string what = s.size() > 3 ? s[3] : "";
    const json body = admin_body(r);
    if (what != "op" && what != "change" && what != "expected") {
        throw std::runtime_error("there is no /_sim/exchange/records/" + what);
    }
    json answer = what == "op"       ? precise_record_change(w, body)
                  : what == "change" ? random_record_changes(w, body)
                                     : expected(w, r);
    return admin_answer(answer);
}

}  // namespace m365stage::sim
