#include "drive.hpp"

#include <algorithm>

#include "text.hpp"

namespace m365stage::sim {

namespace {

const char* alphabet32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

std::uint64_t name_hash(item_index parent, std::string_view name) {
    return hash_of(fold_name(name), parent + 1ULL);
}

/// Two words as 26 base32 digits.
void append_base32(std::string& out, std::uint64_t a, std::uint64_t b) {
    char digits[26];
    for (int i = 12; i >= 0; --i) {
        digits[i] = alphabet32[a & 31];
        a >>= 5;
        digits[13 + i] = alphabet32[b & 31];
        b >>= 5;
    }
    out.append(digits, 26);
}

}  // namespace

item_index name_index::find(const std::vector<item>& items, item_index parent, std::string_view name) const {
    if (table_.empty()) {
        return no_item;
    }
    std::string folded = fold_name(name);
    std::size_t mask = table_.size() - 1;
    // An erased slot is left as a hole marked no_item - 1, so a chain never breaks.
    for (std::size_t at = hash_of(folded, parent + 1ULL) & mask;; at = (at + 1) & mask) {
        item_index i = table_[at];
        if (i == no_item) {
            return no_item;
        }
        if (i != no_item - 1 && items[i].parent == parent && fold_name(items[i].name) == folded) {
            return i;
        }
    }
}

void name_index::place(const std::vector<item>& items, item_index i) {
    std::size_t mask = table_.size() - 1;
    std::size_t at = name_hash(items[i].parent, items[i].name) & mask;
    while (table_[at] != no_item) {
        at = (at + 1) & mask;
    }
    table_[at] = i;
    ++used_;
}

void name_index::grow(const std::vector<item>& items) {
    std::vector<item_index> live;
    for (item_index i : table_) {
        if (i < no_item - 1) {
            live.push_back(i);
        }
    }
    std::size_t size = 64;
    while (size < live.size() * 3) {
        size *= 2;
    }
    table_.assign(size, no_item);
    used_ = 0;
    for (item_index i : live) {
        place(items, i);
    }
}

void name_index::insert(const std::vector<item>& items, item_index i) {
    if (table_.empty() || used_ * 10 >= table_.size() * 7) {
        grow(items);
    }
    place(items, i);
}

void name_index::erase(const std::vector<item>& items, item_index i) {
    std::size_t mask = table_.size() - 1;
    for (std::size_t at = name_hash(items[i].parent, items[i].name) & mask; table_[at] != no_item;
         at = (at + 1) & mask) {
        if (table_[at] == i) {
            table_[at] = no_item - 1;
            return;
        }
    }
}

drive::drive(std::uint32_t n, std::uint64_t tenant_seed, std::int64_t now)
    : number(n), key_(mix(tenant_seed * 1000003 + n + 1)), created_at_(now) {
    std::string raw;
    for (std::uint64_t i = 0; i < 6; ++i) {
        raw += hex64(mix(key_ + i)).substr(0, 8);
    }
    id = "b!" + base64url(raw);
    id_prefix_ = "01";
    for (int shift = 0; shift < 30; shift += 5) {
        id_prefix_ += alphabet32[key_ >> shift & 31];
    }
    item root;
    root.name = "root";
    root.kind = item_kind::folder;
    root.created = root.modified = root.fs_modified = now - day_seconds;
    items_.push_back(std::move(root));
    note(root_item, now);
}

void drive::append_item_id(std::string& out, item_index i) const {
    std::uint64_t a = mix(i ^ key_);
    out += id_prefix_;
    append_base32(out, a, mix(a));
}

std::string drive::item_id(item_index i) const {
    std::string out;
    append_item_id(out, i);
    return out;
}

std::string drive::item_guid(item_index i) const {
    std::uint64_t a = mix(i ^ key_);
    return guid_of(a, mix(a));
}

item_index drive::find_id(std::string_view text) const {
    if (text == "root") {
        return root_item;
    }
    if (text.size() != 34 || text.substr(0, 8) != id_prefix_) {
        return no_item;
    }
    // 13 digits carry 65 bits: the first digit holds the top 4 bits only.
    std::uint64_t a = 0;
    for (char c : text.substr(8, 13)) {
        int d = c >= 'A' && c <= 'Z' ? c - 'A' : (c >= '2' && c <= '7' ? c - '2' + 26 : -1);
        if (d < 0) {
            return no_item;
        }
        a = a << 5 | static_cast<std::uint64_t>(d);
    }
    std::uint64_t i = unmix(a) ^ key_;
    if (i >= items_.size() || item_id(static_cast<item_index>(i)) != text) {
        return no_item;
    }
    return static_cast<item_index>(i);
}

item_index drive::find_path(item_index from, const std::vector<std::string>& names) const {
    for (const auto& part : names) {
        from = find_child(from, part);
        if (from == no_item) {
            return no_item;
        }
    }
    return from;
}

std::vector<item_index> drive::children(item_index i) const {
    std::vector<item_index> out;
    out.reserve(items_[i].child_count);
    for (item_index c = items_[i].first_child; c != no_item; c = items_[c].next) {
        out.push_back(c);
    }
    return out;
}

std::vector<std::string> drive::names_of(item_index i) const {
    std::vector<std::string> out;
    for (; i != root_item && i != no_item; i = items_[i].parent) {
        out.push_back(items_[i].name);
    }
    std::reverse(out.begin(), out.end());
    return out;
}

bool drive::is_below(item_index i, item_index ancestor) const {
    for (; i != no_item; i = items_[i].parent) {
        if (i == ancestor) {
            return true;
        }
    }
    return false;
}

item_extra* drive::extra(item_index i) {
    return items_[i].has(flag_extra) ? &extras_.at(i) : nullptr;
}

const item_extra* drive::extra(item_index i) const {
    return items_[i].has(flag_extra) ? &extras_.at(i) : nullptr;
}

item_extra& drive::make_extra(item_index i) {
    items_[i].flags |= flag_extra;
    return extras_[i];
}

content drive::stored(item_index i) const {
    content c;
    c.seed = items_[i].seed;
    c.size = items_[i].size;
    if (const auto* e = extra(i)) {
        c.path = e->path;
    }
    return c;
}

content drive::served(item_index i) const {
    content c = stored(i);
    const auto* e = extra(i);
    if (items_[i].has(flag_altered) && e != nullptr) {
        // The wrong bytes are the same each time, as a labelled or promoted document's are.
        c.path.reset();
        c.seed = mix(c.seed + 77);
        c.size = e->altered_size >= 0 ? e->altered_size : c.size + 12;
    }
    return c;
}

const std::array<unsigned char, 20>& drive::hash(item_index i) {
    item& it = items_[i];
    if (!it.has(flag_hash_known)) {
        it.hash = quick_xor_of(stored(i));
        it.flags |= flag_hash_known;
    }
    return it.hash;
}

void drive::note(item_index i, std::int64_t now) {
    item& it = items_[i];
    it.seq = ++seq_;
    it.flags = static_cast<std::uint8_t>(it.flags & ~flag_sharing_last);
    log_.push_back({seq_, static_cast<std::uint32_t>(now), i});
    if (log_.size() > 1024 && log_.size() > items_.size() * 2) {
        std::erase_if(log_, [&](const change_entry& e) { return items_[e.index].seq != e.seq; });
    }
}

void drive::link(item_index i, item_index parent) {
    item& it = items_[i];
    item& p = items_[parent];
    it.parent = parent;
    it.previous = no_item;
    it.next = p.first_child;
    if (p.first_child != no_item) {
        items_[p.first_child].previous = i;
    }
    p.first_child = i;
    ++p.child_count;
}

void drive::unlink(item_index i) {
    item& it = items_[i];
    item& p = items_[it.parent];
    if (it.previous != no_item) {
        items_[it.previous].next = it.next;
    } else {
        p.first_child = it.next;
    }
    if (it.next != no_item) {
        items_[it.next].previous = it.previous;
    }
    --p.child_count;
}

void drive::add_size(item_index i, std::int64_t by) {
    for (; i != no_item && by != 0; i = items_[i].parent) {
        items_[i].size += by;
    }
}

item_index drive::create(
    item_index parent, std::string new_name, item_kind kind, content data, std::int64_t now
) {
    auto i = static_cast<item_index>(items_.size());
    item it;
    it.name = std::move(new_name);
    it.kind = kind;
    it.seed = data.seed;
    it.size = kind == item_kind::file ? data.size : 0;
    it.created = it.modified = it.fs_modified = now;
    items_.push_back(std::move(it));
    link(i, parent);
    names_.insert(items_, i);
    if (data.path) {
        make_extra(i).path = std::move(data.path);
    }
    add_size(parent, items_[i].size);
    ++live_;
    note(i, now);
    return i;
}

void drive::edit(item_index i, content data, std::int64_t now) {
    item& it = items_[i];
    item_extra& e = make_extra(i);
    e.versions.push_back({it.ctag, it.modified, stored(i)});
    if (e.versions.size() > 20) {
        e.versions.erase(e.versions.begin());
    }
    add_size(it.parent, data.size - it.size);
    it.seed = data.seed;
    it.size = data.size;
    e.path = std::move(data.path);
    it.flags = static_cast<std::uint8_t>(it.flags & ~(flag_hash_known | flag_altered));
    it.modified = it.fs_modified = now;
    ++it.etag;
    ++it.ctag;
    note(i, now);
}

void drive::relocate(item_index i, item_index parent, std::string new_name, std::int64_t now) {
    names_.erase(items_, i);
    item& it = items_[i];
    if (it.parent != parent) {
        add_size(it.parent, -it.size);
        unlink(i);
        link(i, parent);
        add_size(parent, it.size);
    }
    it.name = std::move(new_name);
    names_.insert(items_, i);
    if (now != 0) {
        it.modified = now;
    }
    ++it.etag;
    note(i, now != 0 ? now : log_.back().time);
}

void drive::swap_names(item_index a, item_index b, std::int64_t now) {
    std::string first = items_[a].name;
    std::string second = items_[b].name;
    relocate(a, items_[a].parent, second, now);
    relocate(b, items_[b].parent, first, now);
}

void drive::drop_one(item_index i, std::int64_t now) {
    while (items_[i].first_child != no_item) {
        drop_one(items_[i].first_child, now);
    }
    names_.erase(items_, i);
    unlink(i);
    add_size(items_[i].parent, -items_[i].size);
    items_[i].flags |= flag_deleted;
    --live_;
    note(i, now);
}

void drive::remove(item_index i, std::int64_t now) {
    drop_one(i, now);
}

void drive::set_times(item_index i, std::int64_t created, std::int64_t fs_modified) {
    if (created != 0) {
        items_[i].created = created;
    }
    if (fs_modified != 0) {
        items_[i].fs_modified = fs_modified;
    }
}

void drive::set_flag(item_index i, item_flag f, bool on) {
    items_[i].flags = static_cast<std::uint8_t>(on ? items_[i].flags | f : items_[i].flags & ~f);
}

void drive::touch(item_index i, std::int64_t now) {
    items_[i].modified = now;
    ++items_[i].etag;
    note(i, now);
}

void drive::touch_sharing(item_index i, std::int64_t now) {
    item_extra& e = make_extra(i);
    if (!items_[i].has(flag_sharing_last)) {
        e.other_seq = items_[i].seq;
    }
    ++items_[i].etag;
    note(i, now);
    e.share_seq = items_[i].seq;
    items_[i].flags |= flag_sharing_last;
}

std::vector<item_index> drive::changed_since(std::uint64_t since) const {
    std::vector<item_index> out;
    if (since >= seq_) {
        return out;
    }
    auto from = std::upper_bound(log_.begin(), log_.end(), since, [](std::uint64_t s, const change_entry& e) {
        return s < e.seq;
    });
    for (; from != log_.end(); ++from) {
        if (items_[from->index].seq == from->seq) {
            out.push_back(from->index);
        }
    }
    return out;
}

std::uint64_t drive::seq_at(std::int64_t time) const {
    std::uint64_t s = 0;
    // Times in the log rise with the numbers, but for clock steps, which do not matter here.
    auto at = std::upper_bound(log_.begin(), log_.end(), time, [](std::int64_t t, const change_entry& e) {
        return t < static_cast<std::int64_t>(e.time);
    });
    if (at != log_.begin()) {
        s = std::prev(at)->seq;
    }
    return s;
}

}  // namespace m365stage::sim
