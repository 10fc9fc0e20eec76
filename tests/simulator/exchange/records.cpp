#include "records.hpp"

namespace m365stage::sim {

namespace {

constexpr std::uint32_t folder_mark = 1U << 23;  // within a store's numbers: those of folders
constexpr std::uint32_t store_mask = 0xff000000U;

}  // namespace

std::string record_store::folder_id(std::uint32_t f) const {
    return encode_id(guid_, {id_kind::folder, number_ + folder_mark + f, 0, 0, 0});
}

std::string record_store::id(record_index i, bool immutable) const {
    const record& r = records_[i];
    return immutable || !mutable_ids_
               ? encode_id(guid_, {id_kind::item, number_ + i, 0, 0, 0})
               : encode_id(guid_, {id_kind::item_here, number_ + i, r.folder, r.moves, 0});
}

std::string record_store::old_id(const record_change& c, std::uint32_t folder, bool immutable) const {
    return immutable || !mutable_ids_
               ? encode_id(guid_, {id_kind::item, number_ + c.item, 0, 0, 0})
               : encode_id(guid_, {id_kind::item_here, number_ + c.item, folder, c.moves, 0});
}

std::string record_store::part_id(record_index i, std::uint32_t part) const {
    return encode_id(guid_, {id_kind::attachment, number_ + i, nowhere, 0, part});
}

std::string record_store::change_key(record_index i) const {
    std::string raw("\x09\x00\x00\x00\x16\x00\x00\x00", 8);
    std::uint64_t word = hash_of(guid_, (std::uint64_t{number_ + i} << 32) | records_[i].version);
    for (int shift = 56; shift >= 0; shift -= 8) {
        raw += static_cast<char>((word >> shift) & 0xff);
    }
    return base64(raw);
}

std::uint32_t record_store::find_well_known(std::string_view name) const {
    for (std::uint32_t f = 0; f < folders_.size(); ++f) {
        if (!folders_[f].deleted && !folders_[f].well_known.empty() &&
            iequals(folders_[f].well_known, name)) {
            return f;
        }
    }
    return nowhere;
}

std::uint32_t record_store::find_folder(std::string_view id) const {
    auto known = find_well_known(id);
    if (known != nowhere) {
        return known;
    }
    auto parts = decode_id(guid_, id);
    if (!parts || parts->kind != id_kind::folder || (parts->number & store_mask) != number_ ||
        (parts->number & folder_mark) == 0) {
        return nowhere;
    }
    std::uint32_t f = parts->number - number_ - folder_mark;
    return f < folders_.size() && !folders_[f].deleted ? f : nowhere;
}

record_index record_store::find(std::string_view id) const {
    auto parts = decode_id(guid_, id);
    if (!parts || (parts->number & store_mask) != number_) {
        return nowhere;
    }
    record_index i = parts->number - number_;
    if (i >= records_.size() || records_[i].deleted) {
        return nowhere;
    }
    bool here = parts->kind == id_kind::item_here && parts->folder == records_[i].folder &&
                parts->moves == records_[i].moves;
    return parts->kind == id_kind::item || here ? i : nowhere;
}

std::uint32_t record_store::part_number(record_index i, std::string_view id) const {
    auto parts = decode_id(guid_, id);
    return parts && parts->kind == id_kind::attachment && parts->number == number_ + i ? parts->part : 0;
}

std::vector<std::uint32_t> record_store::children(std::uint32_t parent) const {
    std::vector<std::uint32_t> out;
    for (std::uint32_t f = 0; f < folders_.size(); ++f) {
        if (!folders_[f].deleted && folders_[f].parent == parent) {
            out.push_back(f);
        }
    }
    return out;
}

std::vector<std::string> record_store::path_of(std::uint32_t f) const {
    std::vector<std::string> out;
    for (; f != nowhere; f = folders_[f].parent) {
        out.insert(out.begin(), folders_[f].name);
    }
    return out;
}

bool record_store::is_below(std::uint32_t f, std::uint32_t ancestor) const {
    for (; f != nowhere; f = folders_[f].parent) {
        if (f == ancestor) {
            return true;
        }
    }
    return false;
}

std::vector<record_index> record_store::listing(std::uint32_t folder) const {
    std::vector<record_index> out;
    for (record_index i = 0; i < records_.size(); ++i) {
        if (!records_[i].deleted && records_[i].folder == folder) {
            out.push_back(i);
        }
    }
    return out;
}

std::uint32_t record_store::add_folder(std::string name, std::uint32_t parent, std::string well_known) {
    record_folder f;
    f.name = std::move(name);
    f.parent = parent;
    f.well_known = std::move(well_known);
    f.seq = ++seq_;
    folders_.push_back(std::move(f));
    return static_cast<std::uint32_t>(folders_.size() - 1);
}

void record_store::rename_folder(std::uint32_t f, std::string name) {
    folders_[f].name = std::move(name);
    folders_[f].seq = ++seq_;
}

void record_store::move_folder(std::uint32_t f, std::uint32_t parent) {
    folders_[f].parent = parent;
    folders_[f].seq = ++seq_;
}

void record_store::remove_folder(std::uint32_t f) {
    for (std::uint32_t c : children(f)) {
        remove_folder(c);
    }
    for (record_index i : listing(f)) {
        remove(i);
    }
    folders_[f].deleted = true;
    folders_[f].seq = ++seq_;
}

void record_store::note(record_index i, bool arrived) {
    record& r = records_[i];
    r.seq = ++seq_;
    if (arrived) {
        r.arrived_seq = r.seq;
    }
    folders_[r.folder].log.push_back({r.seq, i, r.moves, false});
}

void record_store::leave(record_index i) {
    const record& r = records_[i];
    folders_[r.folder].log.push_back({++seq_, i, r.moves, true});
}

record_index record_store::add(std::uint32_t folder, nlohmann::json value, std::int64_t now) {
    record r;
    r.folder = folder;
    r.value = std::move(value);
    r.created = r.modified = now;
    records_.push_back(std::move(r));
    auto i = static_cast<record_index>(records_.size() - 1);
    note(i, true);
    return i;
}

void record_store::set(record_index i, const nlohmann::json& patch, std::int64_t now) {
    record& r = records_[i];
    for (const auto& [key, value] : patch.items()) {
        if (value.is_null()) {
            r.value.erase(key);
        } else {
            r.value[key] = value;
        }
        r.touched[key] = seq_ + 1;
    }
    touch(i, now);
}

void record_store::touch(record_index i, std::int64_t now) {
    ++records_[i].version;
    records_[i].modified = now;
    note(i, false);
}

void record_store::move(record_index i, std::uint32_t folder) {
    leave(i);
    records_[i].folder = folder;
    ++records_[i].moves;
    ++records_[i].version;
    note(i, true);
}

void record_store::remove(record_index i) {
    leave(i);
    records_[i].deleted = true;
    records_[i].seq = seq_;
}

}  // namespace m365stage::sim
