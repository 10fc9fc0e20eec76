// Random changes of mailboxes, by seed.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "changes.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

const std::map<std::string, int> message_weights = {
    {"new_message", 20}, {"new_many", 2},       {"move", 14},        {"read", 14},
    {"flag", 6},         {"categories", 5},     {"draft", 4},        {"delete", 8},
    {"soft_delete", 4},  {"purge", 5},          {"new_folder", 5},   {"rename_folder", 4},
    {"move_folder", 3},  {"delete_folder", 2},  {"purge_folder", 2}, {"move_back", 3},
    {"create_purge", 2}, {"recreate_folder", 2}
};

/// Does random things to one mailbox.
class shaker {
public:
    shaker(world& w, mailbox& b, rng& r) : w_(w), b_(b), r_(r) {
        for (message_index m = 0; m < b.messages().size(); ++m) {
            if (!b.at(m).has(message_deleted) && b.at(m).folder != nowhere) {
                live_.push_back(m);
            }
        }
    }

    /// Nothing when that could not be done here.
    json act(const std::string& what) {
        json done = what.ends_with("folder") ? folder_act(what) : message_act(what);
        if (!done.is_null()) {
            done["op"] = what;
            done["mailbox"] = b_.owner_id;
        }
        return done;
    }

private:
    json message_act(const std::string& what) {
        if (what == "new_message" || what == "create_purge") {
            message_index m = add();
            json done = told(m);
            if (what == "create_purge") {
                b_.purge_message(m);
            }
            return done;
        }
        if (what == "new_many") {
            for (int i = 0; i < 15; ++i) {
                add();
            }
            return {{"count", 15}};
        }
        message_index m = any_message();
        if (m == nowhere) {
            return nullptr;
        }
        change(what, m);
        return b_.at(m).has(message_deleted) ? json{{"id", b_.message_id(m, true)}} : told(m);
    }

    void change(const std::string& what, message_index m) {
        folder_index from = b_.at(m).folder;
        if (what == "move" || what == "move_back") {
            b_.move_message(m, any_folder());
            if (what == "move_back") {
                b_.move_message(m, from);
            }
        } else if (what == "read") {
            b_.set_read(m, !b_.at(m).has(message_read));
        } else if (what == "flag") {
            b_.set_flag(m, static_cast<follow_up>(r_.below(3)));
        } else if (what == "categories") {
            set(m, "categories",
                r_.chance(0.3) ? json::array() : json{"Blue category", "Prio " + std::to_string(r_.below(9))}
            );
        } else if (what == "draft") {
            edit_draft(m);
        } else if (what == "delete") {
            b_.move_message(m, b_.find_well_known("deleteditems"));
        } else if (what == "soft_delete") {
            b_.move_message(m, b_.find_well_known("recoverableitemsdeletions"));
        } else if (what == "purge") {
            b_.purge_message(m);
        } else {
            throw std::runtime_error("change: there is no weight '" + what + "'");
        }
    }

    /// A draft gets other words; when the message is none, a new one is begun.
    void edit_draft(message_index m) {
        if (!b_.at(m).has(message_draft)) {
            m = b_.add_message(
                seeded_message(b_, r_, b_.find_well_known("drafts"), w_.now(), w_.options.message_size)
            );
            live_.push_back(m);
        }
        set(m, "subject", "Draft " + std::to_string(r_.below(100000)));
        set(m, "body", {{"contentType", "text"}, {"content", prose(r_, 200)}});
    }

    void set(message_index m, const char* name, json value) {
        message_extra& e = b_.make_extra(m);
        json all = e.set ? *e.set : json::object();
        all[name] = std::move(value);
        e.set = std::make_shared<json>(std::move(all));
        b_.touch(m, w_.now());
    }

    json folder_act(const std::string& what) {
        if (what == "new_folder") {
            folder_index f = b_.add_folder(any_folder(true), fresh_name());
            for (std::uint64_t n = r_.below(3); n > 0; --n) {
                add(f);
            }
            return told_folder(f);
        }
        folder_index f = own_folder();
        if (f == nowhere) {
            return nullptr;
        }
        if (what == "rename_folder") {
            b_.rename_folder(f, fresh_name());
        } else if (what == "move_folder") {
            folder_index to = any_folder(true);
            if (b_.is_below(to, f)) {
                return nullptr;
            }
            b_.move_folder(f, to);
        } else if (what == "delete_folder") {
            b_.move_folder(f, b_.find_well_known("deleteditems"));
        } else if (what == "purge_folder" || what == "recreate_folder") {
            std::string name = b_.folder(f).name;
            folder_index parent = b_.folder(f).parent;
            b_.purge_folder(f);
            if (what == "recreate_folder") {
                f = b_.add_folder(parent, name);
                add(f);
                return told_folder(f);
            }
            return {{"folder", b_.folder_id(f)}};
        } else {
            throw std::runtime_error("change: there is no weight '" + what + "'");
        }
        return told_folder(f);
    }

    message_index add(folder_index f = nowhere) {
        folder_index where = f == nowhere ? any_folder() : f;
        // What is moved or imported is older than what has come.
        std::int64_t when =
            w_.now() - static_cast<std::int64_t>(r_.chance(0.2) ? r_.below(40000000) : r_.below(60));
        message_index m = b_.add_message(seeded_message(b_, r_, where, when, w_.options.message_size));
        live_.push_back(m);
        return m;
    }

    message_index any_message() {
        while (!live_.empty()) {
            std::size_t i = r_.below(live_.size());
            if (!b_.at(live_[i]).has(message_deleted)) {
                return live_[i];
            }
            live_[i] = live_.back();
            live_.pop_back();
        }
        return nowhere;
    }

    /// A mail folder of the user; more often than not the inbox.
    folder_index any_folder(bool for_folders = false) {
        if (r_.chance(0.3)) {
            return for_folders && r_.chance(0.5) ? folder_root : b_.find_well_known("inbox");
        }
        std::vector<folder_index> all;
        for (folder_index f = folder_root + 1; f < b_.folders().size(); ++f) {
            const mail_folder& it = b_.folder(f);
            if (!it.deleted && !it.search && !it.hidden && b_.is_below(f, folder_root)) {
                all.push_back(f);
            }
        }
        return all[r_.below(all.size())];
    }

    folder_index own_folder() {
        std::vector<folder_index> all;
        for (folder_index f = folder_root + 1; f < b_.folders().size(); ++f) {
            const mail_folder& it = b_.folder(f);
            if (!it.deleted && !it.search && it.well_known.empty() && !it.hidden &&
                b_.is_below(f, folder_root)) {
                all.push_back(f);
            }
        }
        return all.empty() ? nowhere : all[r_.below(all.size())];
    }

    std::string fresh_name() {
        static const char* names[] = {"Projekte", "a/b", "Ordner ", "Rechnungen: 2026",
                                      "客戶資料", "..",  "Q4",      "old"};
        return names[r_.below(std::size(names))] + std::to_string(r_.below(100000));
    }

    json told(message_index m) const {
        return {{"id", b_.message_id(m, true)}, {"folder", b_.folder_id(b_.at(m).folder)}};
    }
    json told_folder(folder_index f) const { return {{"folder", b_.folder_id(f)}, {"path", b_.path_of(f)}}; }

    world& w_;
    mailbox& b_;
    rng& r_;
    std::vector<message_index> live_;
};

}  // namespace

json random_mail_changes(world& w, const json& s) {
    rng r(s.value("seed", std::uint64_t{1}));
    auto weights = s.contains("weights") ? s["weights"].get<std::map<std::string, int>>() : message_weights;
    auto boxes = named_mailboxes(w, s.value("mailbox", "all"));
    if (s.value("mailbox", "all") == "all") {
        std::erase_if(boxes, [](const mailbox* b) { return b->owner_kind != "user"; });
    }
    if (boxes.empty()) {
        throw std::runtime_error("change: there is no mailbox");
    }
    std::map<mailbox*, std::unique_ptr<shaker>> shakers;
    json done = json::array();
    for (auto left = s.value("count", std::int64_t{10}); left > 0; --left) {
        mailbox* b = boxes[r.below(boxes.size())];
        auto& one = shakers[b];
        if (!one) {
            one = std::make_unique<shaker>(w, *b, r);
        }
        json what = one->act(weighted(weights, r));
        if (!what.is_null()) {
            done.push_back(std::move(what));
        }
    }
    return done;
}

}  // namespace m365stage::sim
