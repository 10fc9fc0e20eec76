#include "tenant.hpp"

#include <algorithm>

#include "text.hpp"

namespace m365stage::sim {

namespace {

const std::string content_host = "contoso.sharepoint.example";
const std::string personal_host = "contoso-my.sharepoint.example";

std::string personal_path(const std::string& upn) {
    std::string out = "personal/" + upn;
    std::replace_if(out.begin(), out.end(), [](char c) { return c == '@' || c == '.'; }, '_');
    return out;
}

}  // namespace

std::int64_t tenant::now() const {
    return now_seconds() + clock_offset;
}

std::string tenant::fresh_guid() {
    ++ids_;
    return guid_of(mix(seed * 7919 + ids_), mix(seed + ids_ * 104729));
}

drive& tenant::add_drive(std::string name, std::string type, std::string web_url) {
    auto number = static_cast<std::uint32_t>(drives_.size());
    drives_.push_back(std::make_unique<drive>(number, seed, now()));
    drive& d = *drives_.back();
    d.name = std::move(name);
    d.type = std::move(type);
    d.web_url = std::move(web_url);
    d.site_id = fresh_guid();
    by_id_.emplace(d.id, number);
    return d;
}

user& tenant::add_user(
    std::string nickname, std::string display_name, no_drive without, std::string user_type
) {
    user u;
    u.id = fresh_guid();
    u.upn = nickname.find('@') == nickname.npos ? nickname + "@" + domain : nickname;
    u.display_name = std::move(display_name);
    u.user_type = std::move(user_type);
    u.without = without;
    u.seq = ++dir_seq;
    if (without == no_drive::has_one) {
        std::string path = personal_path(u.upn);
        drive& d = add_drive("OneDrive", "business", "https://" + personal_host + "/" + path + "/Documents");
        d.owner_kind = "user";
        d.owner_id = u.id;
        u.drives.push_back(d.number);
        site s;
        s.guid = d.site_id;
        s.host = personal_host;
        s.path = path;
        s.id = s.host + "," + s.guid + "," + fresh_guid();
        s.name = path.substr(9);
        s.display_name = u.display_name;
        s.web_url = "https://" + personal_host + "/" + path;
        s.personal = true;
        s.drives.push_back(d.number);
        s.seq = dir_seq;
        sites.push_back(std::move(s));
    }
    users_by_name_[lower(u.upn)] = users.size();
    users_by_name_[u.id] = users.size();
    users.push_back(std::move(u));
    return users.back();
}

site& tenant::add_site(std::string path, std::string display_name, int parent) {
    site s;
    s.host = content_host;
    s.guid = parent >= 0 ? sites[static_cast<std::size_t>(parent)].guid : fresh_guid();
    s.path = path;
    s.id = s.host + "," + s.guid + "," + fresh_guid();
    s.name = path.substr(path.rfind('/') == path.npos ? 0 : path.rfind('/') + 1);
    s.display_name = std::move(display_name);
    s.web_url = "https://" + s.host + (path.empty() ? "" : "/" + path);
    s.parent = parent;
    s.seq = ++dir_seq;
    sites.push_back(std::move(s));
    return sites.back();
}

drive& tenant::add_library(std::size_t site_number, std::string name, std::string url_name) {
    drive& d = add_drive(
        std::move(name), "documentLibrary", sites[site_number].web_url + "/" + url_encode(url_name)
    );
    d.owner_kind = "site";
    d.owner_id = sites[site_number].id;
    d.site_id = sites[site_number].guid;
    sites[site_number].drives.push_back(d.number);
    return d;
}

drive& tenant::add_personal_library(user& u, std::string name, std::string url_name) {
    drive& first = drive_at(u.drives.front());
    drive& d = add_drive(
        std::move(name), "business",
        first.web_url.substr(0, first.web_url.rfind('/') + 1) + url_encode(url_name)
    );
    d.owner_kind = "user";
    d.owner_id = u.id;
    d.site_id = drive_at(u.drives.front()).site_id;
    u.drives.push_back(d.number);
    for (auto& s : sites) {
        if (s.personal && s.guid == d.site_id) {
            s.drives.push_back(d.number);
        }
    }
    return d;
}

group& tenant::add_group(std::string nickname, std::string display_name) {
    add_site("sites/" + nickname, display_name);
    auto number = sites.size() - 1;
    drive& d = add_library(number, "Documents", "Shared Documents");
    group g;
    g.id = fresh_guid();
    g.display_name = std::move(display_name);
    g.nickname = std::move(nickname);
    g.site_number = static_cast<int>(number);
    g.seq = ++dir_seq;
    d.owner_kind = "group";
    d.owner_id = g.id;
    groups.push_back(std::move(g));
    return groups.back();
}

void tenant::name_user(user& u, std::string upn) {
    const auto number = users_by_name_.at(u.id);
    if (auto old = users_by_name_.find(lower(u.upn)); old != users_by_name_.end() && old->second == number) {
        users_by_name_.erase(old);
    }
    u.upn = std::move(upn);
    u.seq = ++dir_seq;
    users_by_name_[lower(u.upn)] = number;
}

user* tenant::find_user(std::string_view id_or_upn) {
    auto at = users_by_name_.find(lower(id_or_upn));
    return at == users_by_name_.end() || users[at->second].removed ? nullptr : &users[at->second];
}

site* tenant::find_site(std::string_view id) {
    for (auto& s : sites) {
        bool match = id == "root" ? s.host == content_host && s.path.empty()
                                  : iequals(s.id, id) || (iequals(s.guid, id) && s.parent < 0);
        if (!s.removed && match) {
            return &s;
        }
    }
    return nullptr;
}

site* tenant::find_site_by_path(std::string_view host, std::string_view path) {
    for (auto& s : sites) {
        if (!s.removed && iequals(s.host, host) && iequals(s.path, path)) {
            return &s;
        }
    }
    return nullptr;
}

group* tenant::find_group(std::string_view id) {
    for (auto& g : groups) {
        if (!g.removed && (iequals(g.id, id) || iequals(g.nickname, id))) {
            return &g;
        }
    }
    return nullptr;
}

drive* tenant::find_drive(std::string_view id) {
    auto at = by_id_.find(std::string(id));
    return at == by_id_.end() || drives_[at->second]->removed ? nullptr : drives_[at->second].get();
}

void tenant::remove_user(user& u) {
    u.removed = true;
    u.seq = ++dir_seq;
    for (auto n : u.drives) {
        drives_[n]->removed = true;
        for (auto& s : sites) {
            s.removed = s.removed || (s.personal && s.guid == drives_[n]->site_id);
        }
    }
}

void tenant::remove_site(site& s) {
    s.removed = true;
    s.seq = ++dir_seq;
    for (auto n : s.drives) {
        drives_[n]->removed = true;
    }
}

void tenant::remove_group(group& g) {
    g.removed = true;
    g.seq = ++dir_seq;
    if (g.site_number >= 0) {
        remove_site(sites[static_cast<std::size_t>(g.site_number)]);
    }
}

std::size_t tenant::item_count() const {
    std::size_t n = 0;
    for (const auto& d : drives_) {
        n += d->removed ? 0 : d->live_count();
    }
    return n;
}

}  // namespace m365stage::sim
