#include "seed.hpp"
#include "columns.hpp"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr const char* first_names[] = {"ada",  "bela",  "chloe", "dario", "edda",  "femi", "greta",
                                       "hugo", "ines",  "jonas", "kaito", "lena",  "mira", "nils",
                                       "olga", "pavel", "quinn", "rosa",  "selma", "tarek"};
constexpr const char* name_words[] = {"Budget", "Report",    "Minutes", "Offer",    "Contract", "Photo",
                                      "Plan",   "Übersicht", "Notes",   "Rechnung", "Draft",    "Invoice",
                                      "データ", "Tài liệu",  "résumé",  "Archive"};
constexpr const char* suffixes[] = {".txt", ".docx", ".xlsx", ".pdf", ".jpg", ".bin", ".csv", ""};

std::string word(rng& r) {
    return name_words[r.below(std::size(name_words))];
}

std::int64_t size_for(rng& r, std::int64_t most) {
    if (most <= 0 || r.chance(0.04)) {
        return 0;
    }
    // Many small ones, few large ones.
    std::uint64_t limit = static_cast<std::uint64_t>(most) >> r.below(8);
    return static_cast<std::int64_t>(r.below(limit + 1) + 1);
}

void fill(world& w, drive& d, rng& r, int files) {
    std::vector<item_index> folders = {root_item};
    std::int64_t start = w.now() - 300 * day_seconds;
    int folder_count = std::max(1, files / 5);
    for (std::int64_t i = 0; i < folder_count; ++i) {
        item_index parent = folders[r.below(folders.size())];
        std::string name = word(r) + " " + std::to_string(i);
        if (d.find_child(parent, name) == no_item) {
            folders.push_back(d.create(parent, name, item_kind::folder, {}, start + i * 60));
        }
    }
    for (std::int64_t i = 0; i < files; ++i) {
        item_index parent = folders[r.below(folders.size())];
        std::string name = word(r) + " " + std::to_string(i) + suffixes[r.below(std::size(suffixes))];
        content data;
        data.seed = r.next();
        data.size = size_for(r, w.options.file_size_max);
        item_index f = d.create(parent, name, item_kind::file, data, start + i * 600);
        if (r.chance(0.03)) {
            d.set_flag(f, flag_no_hash, true);
        }
    }
}

/// Columns for a library, and values for some of its files and folders.
void give_columns(world& w, drive& d, int number) {
    rng own(w.options.seed * 31 + static_cast<std::uint64_t>(number));
    add_columns(d);
    for (item_index i = 1; i < d.items().size(); ++i) {
        if (own.chance(0.4)) {
            std::int64_t modified = d.at(i).fs_modified;
            set_fields(w, d, i, random_fields(own));
            d.set_times(i, 0, modified);
        }
    }
}

/// Odd items that a real drive may hold, below a folder "zoo".
void add_zoo(world& w, drive& d, rng& r) {
    std::int64_t now = w.now() - 100 * day_seconds;
    item_index zoo = d.create(root_item, "zoo", item_kind::folder, {}, now);
    auto file = [&](item_index parent, const std::string& name, std::int64_t size) {
        content c;
        c.seed = r.next();
        c.size = size;
        return d.create(parent, name, item_kind::file, c, now);
    };
    file(zoo, "empty.dat", 0);
    d.set_flag(file(zoo, "nohash.bin", 1234), flag_no_hash, true);
    std::string wide;
    for (int i = 0; i < 251; ++i) {
        wide += "é";
    }
    file(zoo, wide + ".txt", 10);
    file(zoo, "NFC é.txt", 11);
    file(zoo, "NFD e\xcc\x81.txt", 12);
    file(zoo, "\xf0\x9f\x93\x81 emoji \xf0\x9f\x98\x80.txt", 13);
    file(zoo, "percent %41 & 'quote' #hash +plus;semi.txt", 14);
    item_index shared = file(zoo, "shared.docx", 2048);
    permission p;
    p.id = "cGVybWlzc2lvbi0x";
    p.role = "write";
    p.email = "bela@contoso.example";
    p.user_id = guid_of(r.next(), r.next());
    d.make_extra(shared).permissions.push_back(p);
    d.touch_sharing(shared, now);
    item_index notebook = d.create(zoo, "Ada @ Contoso", item_kind::package, {}, now);
    file(notebook, "Open Notebook.onetoc2", 5000);
    file(notebook, "Quick Notes.one", 9000);
    for (item_index c : d.children(notebook)) {
        d.set_flag(c, flag_no_hash, true);
    }
    item_index link = d.create(zoo, "Shortcut to team", item_kind::shortcut, {}, now);
    d.make_extra(link).target_drive = w.directory.drive_at(0).id;
    d.make_extra(link).target_item = w.directory.drive_at(0).item_id(root_item);
    item_index bad = file(zoo, "invoice.docm", 99120);
    d.set_flag(bad, flag_malware, true);
    d.make_extra(bad).malware = "Win32/TestVirus";
    item_index altered = file(zoo, "labelled.xlsx", 4000);
    d.set_flag(altered, flag_altered, true);
    d.make_extra(altered).altered_size = 4012;
}

void add_specials(world& w) {
    tenant& t = w.directory;
    t.add_user("guest.ext#ext#@contoso.example", "Guest External", no_drive::mysite_not_found, "Guest");
    t.add_user("nodrive1", "No Drive One", no_drive::mysite_not_found, "Member");
    t.add_user("nodrive2", "No Drive Two", no_drive::mysite_url, "Member");
    t.add_user("nodrive3", "No Drive Three", no_drive::file_not_found, "");
    t.add_user("nodrive4", "No Drive Four", no_drive::no_spo_licence, "Member");
    t.add_user("leaver", "Disabled Person", no_drive::has_one, "Member").enabled = false;
    if (user* first = t.users.front().drives.empty() ? nullptr : &t.users.front()) {
        t.add_personal_library(*first, "PersonalCacheLibrary", "PersonalCacheLibrary");
        t.add_personal_library(*first, "Preservation Hold Library", "PreservationHoldLibrary").system = true;
    }
    site& search = t.add_site("search", "");
    search.null_name = true;
    search.id = search.host + "," + search.guid + "," + guid_of(1, 2);
    t.add_site("contentTypeHub", "Content Type Gallery");
    t.add_site("sites/locked", "Locked Site");
    t.sites.back().locked = true;
    t.add_library(t.sites.size() - 1, "Documents", "Shared Documents").locked = true;
    if (w.options.sites > 0) {
        for (std::size_t i = 0; i < t.sites.size(); ++i) {
            if (t.sites[i].path == "sites/site1") {
                t.add_library(i, "Tài liệu", "Shared Documents 2");
                t.add_library(i, "Preservation Hold Library", "PreservationHoldLibrary").system = true;
                t.add_site("sites/site1/sub", "Sub Site", static_cast<int>(i));
                t.add_library(t.sites.size() - 1, "Documents", "Shared Documents");
                break;
            }
        }
    }
}

}  // namespace

user& add_seeded_user(world& w, const std::string& nickname, rng& r) {
    user& u = w.directory.add_user(nickname, nickname + " Example", no_drive::has_one, "Member");
    fill(w, w.directory.drive_at(u.drives[0]), r, w.options.files_per_drive);
    return u;
}

void seed_tenant(world& w) {
    w.life = std::random_device{}();
    rng r(w.options.seed);
    tenant& t = w.directory;
    for (int i = 0; i < w.options.users; ++i) {
        std::string name = first_names[static_cast<std::size_t>(i) % std::size(first_names)];
        auto turn = static_cast<std::size_t>(i) / std::size(first_names);
        add_seeded_user(w, turn == 0 ? name : name + std::to_string(turn), r);
    }
    t.add_site("", "Communication site");
    for (int i = 0; i < w.options.sites; ++i) {
        t.add_site("sites/site" + std::to_string(i + 1), "Site " + std::to_string(i + 1));
        fill(
            w, t.add_library(t.sites.size() - 1, "Documents", "Shared Documents"), r,
            w.options.files_per_drive
        );
        give_columns(w, t.drive_at(t.sites.back().drives[0]), i);
    }
    for (int i = 0; i < w.options.groups; ++i) {
        std::string name = "team" + std::to_string(i + 1);
        group& g = t.add_group(name, "Team " + std::to_string(i + 1));
        fill(
            w, t.drive_at(t.sites[static_cast<std::size_t>(g.site_number)].drives[0]), r,
            w.options.files_per_drive
        );
    }
    if (w.options.specials && w.options.users > 0) {
        add_zoo(w, t.drive_at(t.users[0].drives[0]), r);
        add_specials(w);
    }
    seed_exchange(w);
}

void bulk_fill(
    world& w, drive& d, std::size_t items, std::size_t folders, std::int64_t file_size, std::uint64_t seed
) {
    std::int64_t now = w.now() - 30 * day_seconds;
    d.reserve(d.items().size() + items + folders);
    std::vector<item_index> parents;
    for (std::size_t i = 0; i < folders; ++i) {
        // A tree of folders, ten to a folder.
        item_index parent = i < 10 ? root_item : parents[i / 10 - 1];
        parents.push_back(d.create(parent, "folder " + std::to_string(i), item_kind::folder, {}, now));
    }
    if (parents.empty()) {
        parents.push_back(root_item);
    }
    std::string name;
    for (std::size_t i = 0; i < items; ++i) {
        name = "file " + std::to_string(i) + ".dat";
        content c;
        c.seed = mix(seed + i);
        c.size = file_size;
        d.create(parents[i % parents.size()], name, item_kind::file, c, now);
    }
}

namespace {

void import_below(drive& d, item_index parent, const std::filesystem::path& from, std::int64_t now) {
    namespace fs = std::filesystem;
    std::vector<fs::directory_entry> entries(fs::directory_iterator(from), fs::directory_iterator{});
    std::sort(entries.begin(), entries.end());
    for (const auto& e : entries) {
        std::string name = e.path().filename().string();
        if (e.is_symlink()) {
            continue;
        }
        if (e.is_directory()) {
            import_below(d, d.create(parent, name, item_kind::folder, {}, now), e.path(), now);
        } else if (e.is_regular_file()) {
            content c;
            c.size = static_cast<std::int64_t>(e.file_size());
            c.path = std::make_shared<const std::string>(e.path().string());
            item_index i = d.create(parent, name, item_kind::file, c, now);
            auto written = std::chrono::duration_cast<std::chrono::seconds>(
                std::chrono::file_clock::to_sys(e.last_write_time()).time_since_epoch()
            );
            d.set_times(i, 0, written.count());
        }
    }
}

}  // namespace

std::string import_folder(world& w, const std::string& label, const std::string& folder) {
    namespace fs = std::filesystem;
    if (!fs::is_directory(folder)) {
        throw std::runtime_error("m365sim: --import: " + folder + " is no folder");
    }
    user& u = w.directory.add_user(label, label, no_drive::has_one, "Member");
    drive& d = w.directory.drive_at(u.drives[0]);
    import_below(d, root_item, fs::absolute(folder), w.now() - day_seconds);
    return d.id;
}

drive* drive_of(world& w, const json& spec) {
    tenant& t = w.directory;
    std::vector<std::uint32_t> from;
    if (spec.contains("drive")) {
        return t.find_drive(spec["drive"].get<std::string>());
    }
    if (spec.contains("user")) {
        user* u = t.find_user(spec["user"].get<std::string>());
        u = u != nullptr ? u : t.find_user(spec["user"].get<std::string>() + "@" + t.domain);
        from = u != nullptr ? u->drives : from;
    } else if (spec.contains("group")) {
        group* g = t.find_group(spec["group"].get<std::string>());
        from = g != nullptr ? t.sites[static_cast<std::size_t>(g->site_number)].drives : from;
    } else if (spec.contains("site")) {
        std::string key = spec["site"].get<std::string>();
        site* s = t.find_site(key);
        for (auto& one : t.sites) {
            s = s == nullptr && !one.removed && !one.personal && iequals(one.name, key) ? &one : s;
        }
        from = s != nullptr ? s->drives : from;
    }
    std::string library = spec.value("library", "");
    for (auto n : from) {
        if (!t.drive_at(n).removed && (library.empty() || t.drive_at(n).name == library)) {
            return &t.drive_at(n);
        }
    }
    return nullptr;
}

}  // namespace m365stage::sim
