#include "mailbox.hpp"

#include <algorithm>

namespace m365stage::sim {

mailbox::mailbox(std::uint32_t n, std::string id, std::uint64_t from)
    : number(n), guid(std::move(id)), seed(from) {
    folders_.resize(2);
    folders_[store_root].name = "Root";
    folders_[folder_root].name = "Top of Information Store";
    folders_[folder_root].well_known = "msgfolderroot";
    folders_[folder_root].parent = store_root;
}

std::string mailbox::message_id(message_index m, bool immutable) const {
    const message& it = messages_[m];
    return immutable ? encode_id(guid, {id_kind::message, m, 0, 0, 0})
                     : encode_id(guid, {id_kind::message_here, m, it.folder, it.moves, 0});
}

std::string mailbox::old_message_id(const folder_removal& r, folder_index f, bool immutable) const {
    return immutable ? encode_id(guid, {id_kind::message, r.message, 0, 0, 0})
                     : encode_id(guid, {id_kind::message_here, r.message, f, r.moves, 0});
}

std::string mailbox::attachment_id(message_index m, std::uint32_t part, bool immutable) const {
    const message& it = messages_[m];
    return immutable ? encode_id(guid, {id_kind::attachment, m, nowhere, 0, part})
                     : encode_id(guid, {id_kind::attachment, m, it.folder, it.moves, part});
}

folder_index mailbox::find_well_known(std::string_view name) const {
    for (folder_index f = 1; f < folders_.size(); ++f) {
        if (!folders_[f].deleted && !folders_[f].well_known.empty() &&
            iequals(folders_[f].well_known, name)) {
            return f;
        }
    }
    return nowhere;
}

folder_index mailbox::find_folder(std::string_view id) const {
    auto known = find_well_known(id);
    if (known != nowhere) {
        return known;
    }
    auto parts = decode_id(guid, id);
    bool good = parts && parts->kind == id_kind::folder && parts->number < folders_.size() &&
                parts->number != store_root && !folders_[parts->number].deleted;
    return good ? parts->number : nowhere;
}

folder_index mailbox::find_child(folder_index parent, std::string_view name) const {
    std::string folded = fold_name(name);
    for (folder_index f : children(parent)) {
        if (fold_name(folders_[f].name) == folded) {
            return f;
        }
    }
    return nowhere;
}

message_index mailbox::find_message(std::string_view id) const {
    auto parts = decode_id(guid, id);
    if (!parts || parts->number >= messages_.size() || messages_[parts->number].has(message_deleted)) {
        return nowhere;
    }
    const message& it = messages_[parts->number];
    bool here =
        parts->kind == id_kind::message_here && parts->folder == it.folder && parts->moves == it.moves;
    return parts->kind == id_kind::message || here ? parts->number : nowhere;
}

std::vector<folder_index> mailbox::children(folder_index f) const {
    std::vector<folder_index> out;
    for (folder_index c = 1; c < folders_.size(); ++c) {
        if (folders_[c].parent == f && !folders_[c].deleted) {
            out.push_back(c);
        }
    }
    return out;
}

bool mailbox::is_below(folder_index f, folder_index ancestor) const {
    for (; f != nowhere; f = folders_[f].parent) {
        if (f == ancestor) {
            return true;
        }
    }
    return false;
}

std::vector<std::string> mailbox::path_of(folder_index f) const {
    std::vector<std::string> out;
    for (; f != nowhere && f > folder_root; f = folders_[f].parent) {
        out.insert(out.begin(), folders_[f].name);
    }
    return out;
}

const std::vector<message_index>& mailbox::listing(folder_index f) const {
    const mail_folder& of = folders_[folders_[f].search ? folders_[f].source : f];
    auto where = static_cast<folder_index>(&of - folders_.data());
    if (listed_folder_ == where && listed_seq_ == seq_) {
        return listed_;
    }
    listed_.clear();
    for (const auto& e : of.log) {
        const message& m = messages_[e.message];
        if (m.seq == e.seq && m.folder == where && !m.has(message_deleted)) {
            listed_.push_back(e.message);
        }
    }
    std::sort(listed_.begin(), listed_.end(), [&](message_index a, message_index b) {
        auto x = messages_[a].received;
        auto y = messages_[b].received;
        return x > y || (x == y && a < b);
    });
    listed_folder_ = where;
    listed_seq_ = seq_;
    return listed_;
}

const message_extra* mailbox::extra(message_index m) const {
    auto at = messages_[m].has(message_extra_set) ? extras_.find(m) : extras_.end();
    return at == extras_.end() ? nullptr : &at->second;
}

message_extra& mailbox::make_extra(message_index m) {
    messages_[m].flags |= message_extra_set;
    return extras_[m];
}

folder_index mailbox::add_folder(folder_index parent, std::string name, std::string well_known, bool hidden) {
    mail_folder f;
    f.name = std::move(name);
    f.well_known = std::move(well_known);
    f.parent = parent;
    f.hidden = hidden;
    f.seq = ++seq_;
    folders_.push_back(std::move(f));
    return static_cast<folder_index>(folders_.size() - 1);
}

void mailbox::rename_folder(folder_index f, std::string name) {
    folders_[f].name = std::move(name);
    folders_[f].seq = ++seq_;
}

void mailbox::move_folder(folder_index f, folder_index parent) {
    folders_[f].parent = parent;
    folders_[f].seq = ++seq_;
}

void mailbox::purge_folder(folder_index f) {
    for (folder_index c : children(f)) {
        purge_folder(c);
    }
    if (!folders_[f].search) {
        for (message_index m : std::vector<message_index>(listing(f))) {
            purge_message(m);
        }
    }
    folders_[f].deleted = true;
    folders_[f].seq = ++seq_;
}

void mailbox::note(message_index m, change what) {
    message& it = messages_[m];
    it.seq = ++seq_;
    if (what == change::arrived) {
        it.arrived_seq = it.seq;
    }
    if (what != change::read_state) {
        it.other_seq = it.seq;
    }
    folders_[it.folder].log.push_back({it.seq, m});
}

message_index mailbox::add_message(const message& from) {
    auto m = static_cast<message_index>(messages_.size());
    messages_.push_back(from);
    ++live_;
    mail_folder& f = folders_[from.folder];
    ++f.total;
    f.unread += from.has(message_read) ? 0U : 1U;
    note(m, change::arrived);
    return m;
}

void mailbox::touch(message_index m, std::int64_t now) {
    message& it = messages_[m];
    ++it.version;
    if (now > 0) {
        it.modified = static_cast<std::uint32_t>(now);
    }
    note(m, change::other);
}

void mailbox::set_read(message_index m, bool read) {
    message& it = messages_[m];
    if (it.has(message_read) == read) {
        return;
    }
    it.flags ^= message_read;
    folders_[it.folder].unread += read ? nowhere : 1U;  // modulo 2^32: one less, or one more
    ++it.version;
    note(m, change::read_state);
}

void mailbox::set_flag(message_index m, follow_up flag) {
    messages_[m].flag = flag;
    ++messages_[m].version;
    note(m, change::other);
}

void mailbox::set_draft(message_index m, bool draft) {
    std::uint8_t& flags = messages_[m].flags;
    flags = static_cast<std::uint8_t>(draft ? flags | message_draft : flags & ~message_draft);
}

void mailbox::set_received(message_index m, std::int64_t when) {
    messages_[m].received = static_cast<std::uint32_t>(when);
}

void mailbox::leave(message_index m) {
    const message& it = messages_[m];
    mail_folder& f = folders_[it.folder];
    f.removals.push_back({++seq_, m, it.moves});
    --f.total;
    f.unread -= it.has(message_read) ? 0U : 1U;
}

void mailbox::move_message(message_index m, folder_index to) {
    leave(m);
    message& it = messages_[m];
    it.folder = to;
    ++it.moves;
    ++it.version;
    mail_folder& f = folders_[to];
    ++f.total;
    f.unread += it.has(message_read) ? 0U : 1U;
    note(m, change::arrived);
}

void mailbox::purge_message(message_index m) {
    leave(m);
    messages_[m].flags |= message_deleted;
    messages_[m].seq = seq_;
    --live_;
    extras_.erase(m);
}

}  // namespace m365stage::sim
