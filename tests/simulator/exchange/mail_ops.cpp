// Precise changes of mailboxes, as a test wants them.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "changes.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

follow_up flag_in(const std::string& name) {
    return name == "flagged"    ? follow_up::flagged
           : name == "complete" ? follow_up::complete
                                : follow_up::none;
}

trouble trouble_in(const std::string& name) {
    constexpr std::pair<const char*, trouble> all[] = {
        {"none", trouble::none},
        {"corrupt", trouble::corrupt},
        {"invalid_recipients", trouble::invalid_recipients},
        {"no_mime", trouble::no_mime},
        {"unserialisable", trouble::unserialisable}
    };
    for (const auto& [text, value] : all) {
        if (name == text) {
            return value;
        }
    }
    throw std::runtime_error("op: wrong is none, corrupt, invalid_recipients, no_mime or unserialisable");
}

message_index new_message(world& w, mailbox& b, const json& s) {
    folder_index f = named_folder(b, s.value("folder", "inbox"));
    rng r(s.value("seed", mix(++w.serial)));
    message m = seeded_message(b, r, f, w.now(), s.value("size", w.options.message_size));
    m.size = static_cast<std::uint32_t>(s.value("size", std::int64_t{m.size}));
    m.received = static_cast<std::uint32_t>(s.value("received", std::int64_t{m.received}));
    if (s.contains("read")) {
        m.flags =
            static_cast<std::uint8_t>((m.flags & ~message_read) | (s["read"].get<bool>() ? message_read : 0));
    }
    if (s.value("draft", false)) {
        m.flags |= message_draft | message_outgoing;
    }
    if (s.value("own", false)) {
        m.flags |= message_own;
    }
    message_index i = b.add_message(m);
    if (s.contains("set")) {
        b.make_extra(i).set = std::make_shared<json>(s["set"]);
    }
    if (s.contains("attachments")) {
        message_extra& e = b.make_extra(i);
        e.own_attachments = true;
        for (const auto& one : s["attachments"]) {
            e.attachments.push_back(attachment_in(one, e.next_attachment, w.now()));
            ++e.next_attachment;
        }
    }
    if (s.contains("wrong")) {
        b.make_extra(i).wrong = trouble_in(s["wrong"].get<std::string>());
    }
    return i;
}

/// Changes of a message that exists. False: there is no such op.
bool change_message(world& w, mailbox& b, const std::string& op, const json& s, message_index m) {
    if (op == "move") {
        b.move_message(m, named_folder(b, s.at("to").get<std::string>()));
    } else if (op == "read" || op == "unread") {
        b.set_read(m, op == "read");
    } else if (op == "flag") {
        b.set_flag(m, flag_in(s.value("flag", "flagged")));
    } else if (op == "set") {
        message_extra& e = b.make_extra(m);
        json set = e.set ? *e.set : json::object();
        set.update(s.at("set"));
        e.set = std::make_shared<json>(std::move(set));
        b.touch(m, w.now());
    } else if (op == "delete") {
        b.move_message(m, b.find_well_known("deleteditems"));
    } else if (op == "soft_delete") {
        b.move_message(m, b.find_well_known("recoverableitemsdeletions"));
    } else if (op == "purge") {
        b.purge_message(m);
    } else if (op == "wrong") {
        b.make_extra(m).wrong = trouble_in(s.at("wrong").get<std::string>());
    } else {
        return false;
    }
    return true;
}

/// Changes of a folder. Returns it, or nowhere when there is no such op.
folder_index change_folder(mailbox& b, const std::string& op, const json& s) {
    if (op == "new_folder") {
        folder_index f = b.add_folder(
            named_folder(b, s.value("parent", "msgfolderroot")), s.at("name").get<std::string>(), "",
            s.value("hidden", false)
        );
        if (s.contains("source")) {
            b.folder(f).search = true;
            b.folder(f).source = named_folder(b, s["source"].get<std::string>());
        }
        return f;
    }
    bool known =
        op == "rename_folder" || op == "move_folder" || op == "delete_folder" || op == "purge_folder";
    if (!known) {
        return nowhere;
    }
    folder_index f = named_folder(b, s.at("folder").get<std::string>());
    if (op == "rename_folder") {
        b.rename_folder(f, s.at("name").get<std::string>());
    } else if (op == "move_folder") {
        folder_index to = named_folder(b, s.at("to").get<std::string>());
        if (b.is_below(to, f)) {
            throw std::runtime_error("op: a folder cannot go below itself");
        }
        b.move_folder(f, to);
    } else if (op == "delete_folder") {
        b.move_folder(f, b.find_well_known("deleteditems"));
    } else {
        b.purge_folder(f);
    }
    return f;
}

}  // namespace

mailbox& named_mailbox(world& w, const json& spec) {
    std::string name = spec.value("mailbox", "");
    mailbox* b = w.exchange.find(name);
    b = b != nullptr ? b : w.exchange.find(name + "@" + w.directory.domain);
    if (b == nullptr) {
        throw std::runtime_error("there is no mailbox '" + name + "'");
    }
    return *b;
}

folder_index named_folder(const mailbox& b, const std::string& name) {
    folder_index f = b.find_folder(name);
    if (f != nowhere) {
        return f;
    }
    f = folder_root;
    for (const auto& part : split(name, '/')) {
        folder_index known = f == folder_root ? b.find_well_known(part) : nowhere;
        f = known != nowhere ? known : b.find_child(f, part);
        if (f == nowhere) {
            throw std::runtime_error("there is no folder '" + name + "'");
        }
    }
    return f;
}

message_index named_message(const mailbox& b, const std::string& id) {
    message_index m = b.find_message(id);
    if (m == nowhere) {
        throw std::runtime_error("there is no message '" + id + "'");
    }
    return m;
}

json precise_mail_change(world& w, const json& s) {
    mailbox& b = named_mailbox(w, s);
    std::string op = s.value("op", "");
    if (op == "over_quota") {
        b.over_quota = s.value("on", true);
        return {{"over_quota", b.over_quota}};
    }
    if (op == "forget_sync_state") {
        // Of one folder, of the folder list ("folders"), or of all.
        std::string folder = s.value("folder", "");
        if (folder.empty() || folder == "folders") {
            ++b.hierarchy_generation;
        }
        for (folder_index f = folder_root; f < b.folders().size(); ++f) {
            bool hit = folder.empty() || (folder != "folders" && named_folder(b, folder) == f);
            b.folder(f).generation += hit ? 1U : 0U;
        }
        return {{"done", op}};
    }
    if (op == "new_message") {
        message_index m = new_message(w, b, s);
        return {{"id", b.message_id(m, true)}, {"folder", b.folder_id(b.at(m).folder)}};
    }
    folder_index f = change_folder(b, op, s);
    if (f != nowhere) {
        return {{"folder", b.folder_id(f)}, {"path", b.path_of(f)}};
    }
    message_index m = s.contains("message") ? named_message(b, s["message"].get<std::string>()) : nowhere;
    if (m == nowhere || !change_message(w, b, op, s, m)) {
        throw std::runtime_error("exchange: there is no op '" + op + "', or it needs a message");
    }
    return {{"id", b.message_id(m, true)}, {"folder", b.folder_id(b.at(m).folder)}};
}

}  // namespace m365stage::sim
