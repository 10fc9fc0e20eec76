#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "drive.hpp"

/// The directory of the test tenant (users, groups, sites) and its drives.
namespace m365stage::sim {

/// Why a user has no OneDrive: each is answered differently (contract, section 2.6).
enum class no_drive : std::uint8_t { has_one, mysite_not_found, mysite_url, file_not_found, no_spo_licence };

/// Why a user has no mailbox: each is answered differently (contract, sections 2.6 and 10.4, Q81).
enum class no_mailbox : std::uint8_t {
    has_one,
    not_enabled,
    invalid_user,
    not_discovered,
    item_not_found,
    unlicensed
};

struct user {
    std::string id;
    std::string upn;
    std::string display_name;
    std::string user_type = "Member";  ///< Member, Guest or empty for null
    bool enabled = true;
    bool removed = false;
    no_drive without = no_drive::has_one;
    no_mailbox without_mailbox = no_mailbox::has_one;
    std::vector<std::uint32_t> drives;  ///< the first one is the default
    std::uint64_t seq = 0;
};

struct site {
    std::string id;    ///< host,collection GUID,web GUID
    std::string guid;  ///< the collection's
    std::string host;
    std::string path;  ///< sites/Marketing; empty for the root
    std::string name;
    bool null_name = false;
    std::string display_name;
    std::string web_url;
    bool personal = false;
    bool locked = false;
    bool removed = false;
    int parent = -1;
    std::vector<std::uint32_t> drives;
    std::uint64_t seq = 0;
};

struct group {
    std::string id;
    std::string display_name;
    std::string nickname;
    int site_number = -1;
    bool removed = false;
    std::uint64_t seq = 0;
};

class tenant {
public:
    explicit tenant(std::uint64_t from) : seed(from) {}

    std::uint64_t seed;
    std::string domain = "contoso.example";
    std::vector<user> users;
    std::vector<site> sites;
    std::vector<group> groups;
    std::uint64_t dir_seq = 0;
    std::int64_t clock_offset = 0;  ///< seconds the tenant's clock is ahead

    std::int64_t now() const;
    user& add_user(std::string nickname, std::string display_name, no_drive without, std::string user_type);
    site& add_site(std::string path, std::string display_name, int parent = -1);
    group& add_group(std::string nickname, std::string display_name);
    drive& add_drive(std::string name, std::string type, std::string web_url);
    /// Adds a library to a site.
    drive& add_library(std::size_t site_number, std::string name, std::string url_name);
    /// Adds a further library to a user's personal site.
    drive& add_personal_library(user& u, std::string name, std::string url_name);

    void name_user(user& u, std::string upn);
    user* find_user(std::string_view id_or_upn);
    site* find_site(std::string_view id);
    site* find_site_by_path(std::string_view host, std::string_view path);
    group* find_group(std::string_view id);
    drive* find_drive(std::string_view id);
    drive& drive_at(std::uint32_t number) { return *drives_[number]; }
    std::size_t drive_count() const { return drives_.size(); }
    void remove_user(user& u);
    void remove_site(site& s);
    void remove_group(group& g);
    /// Live items over all drives.
    std::size_t item_count() const;

private:
    std::vector<std::unique_ptr<drive>> drives_;
    std::unordered_map<std::string, std::uint32_t> by_id_;
    std::unordered_map<std::string, std::size_t> users_by_name_;
    std::uint64_t ids_ = 0;
    std::string fresh_guid();
};

}  // namespace m365stage::sim
