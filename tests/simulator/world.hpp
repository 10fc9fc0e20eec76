#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth.hpp"
#include "exchange/exchange.hpp"
#include "faults.hpp"
#include "http_types.hpp"
#include "limits.hpp"
#include "manners.hpp"
#include "tenant.hpp"

/// Everything one simulator process has, and the handlers of its services.
namespace m365stage::sim {

struct seed_options {
    std::uint64_t seed = 1;
    int users = 3;
    int sites = 2;
    int groups = 1;
    int files_per_drive = 20;
    std::int64_t file_size_max = 65536;
    int shared_mailboxes = 0;  ///< shared mailboxes and rooms, in turn
    int messages_per_mailbox = 20;
    std::int64_t message_size = 8192;  ///< of the MIME, on the average
    int events_per_calendar = 12;      ///< in the default calendar; half as many in another one
    bool specials = true;              ///< guests, users without OneDrive, locked sites, odd items, ...
};

/// The order in which the items of one delta round are delivered, fixed when the round starts.
struct delta_round {
    std::uint32_t drive = 0;
    std::uint64_t upto = 0;  ///< change number at the start: the delta link's
    bool full = false;
    std::vector<item_index> order;
};

/// The shape of a delta feed, given on its first request and baked into its links.
struct feed_shape {
    std::uint32_t fields = 0xffffffff;  ///< as item_view::fields
    std::uint32_t top = 0;
    std::uint32_t prefer = 0;
    bool operator==(const feed_shape&) const = default;
};

/// An upload in progress.
struct upload_session {
    std::string id;
    std::uint32_t drive = 0;
    item_index parent = no_item;
    item_index replaces = no_item;  ///< created by item id
    std::string name;
    std::string conflict = "replace";
    std::int64_t fs_created = 0;
    std::int64_t fs_modified = 0;
    std::string description;
    std::int64_t received = 0;
    std::int64_t total = -1;
    std::int64_t expires = 0;
    std::string path;  ///< where the bytes are gathered
};

struct world {
    world(std::string dir, const seed_options& options);

    std::string dir;
    seed_options options;
    tenant directory;
    auth_service auth;
    fault_engine faults;
    limit_engine limits;
    manners_keeper manners;
    exchange_state exchange;

    // Where the services are; set by the server when it listens.
    std::string graph_origin;
    std::string files_origin;

    // Settings.
    std::int64_t download_url_lifetime = 3600;
    std::int64_t content_url_lifetime = 300;
    bool range_needs_accept = true;
    bool ignore_ranges = false;
    bool file_etags = true;            // the file host tells the version
    bool reject_authorization = true;  ///< of the file host: 401 for a request with a token
    std::int64_t page_size = 200;
    std::int64_t page_size_max = 5000;
    std::int64_t timestamp_token_days = 60;

    // State of feeds, uploads and copies.
    std::uint64_t life = 0;  ///< another one for each tenant that was ever made: tokens tell it
    std::map<std::uint64_t, std::shared_ptr<delta_round>> rounds;
    std::string list_feed;  ///< of libraries: none, or plain (it does not tell which items of the drive)
    std::deque<std::uint64_t> finished_rounds;
    std::uint64_t next_round = 1;
    std::vector<feed_shape> shapes;
    std::unordered_map<std::string, upload_session> uploads;
    std::unordered_map<std::string, std::string> monitors;     ///< copy job -> new item's id
    std::unordered_map<std::string, std::uint64_t> downloads;  ///< item id -> whole or partial downloads
    std::uint64_t serial = 0;
    std::uint64_t invitations_sent = 0;
    std::uint64_t invitations_silent = 0;

    std::int64_t now() const { return directory.now(); }
    std::string fresh_id();
    /// A new path for uploaded content.
    std::string content_path();
    /// Makes the tenant anew.
    void reset(const seed_options& o);
};

// The services. Each answers one request; none of them blocks on anything but the local disk.
response serve(world& w, const request& r);
response serve_graph(world& w, const request& r);
response serve_directory(world& w, const request& r, const std::vector<std::string>& segments);
response serve_drive(world& w, const request& r, drive& d, std::vector<std::string> segments);
response serve_batch(world& w, const request& r);
response serve_files(world& w, const request& r);
response serve_admin(world& w, const request& r);

// Reads of items.
response serve_delta(world& w, const request& r, drive& d, std::string token, bool has_token);
response serve_item(world& w, const request& r, drive& d, item_index i);
response serve_children(world& w, const request& r, drive& d, item_index i);
response serve_permissions(world& w, const request& r, drive& d, item_index i);
response serve_versions(
    world& w, const request& r, drive& d, item_index i, const std::vector<std::string>& rest
);
response serve_content(world& w, const request& r, drive& d, item_index i);
/// The pre-authenticated URL of an item's content, or of version `number` of it.
std::string download_url(
    world& w, const drive& d, item_index i, std::int64_t lifetime, std::uint32_t number = 0
);
std::string item_body(world& w, const request& r, drive& d, item_index i);
std::string permissions_body(world& w, drive& d, item_index i);

// Writes.
response put_content(
    world& w, const request& r, drive& d, item_index parent, const std::string& name, item_index existing
);
response create_child(world& w, const request& r, drive& d, item_index parent);
response patch_item(world& w, const request& r, drive& d, item_index i);
response delete_item(world& w, const request& r, drive& d, item_index i);
response copy_item(world& w, const request& r, drive& d, item_index i);
response create_link(world& w, const request& r, drive& d, item_index i);
response invite(world& w, const request& r, drive& d, item_index i);
response delete_permission(world& w, drive& d, item_index i, const std::string& id);
response create_upload_session(
    world& w, const request& r, drive& d, item_index parent, const std::string& name, item_index existing
);
response serve_upload(world& w, const request& r, const std::string& id);
/// Whether a name is one that Graph refuses (contract, section 5.11).
bool forbidden_name(std::string_view name);
/// A name of the form "name 1.ext" that is free in the folder.
std::string free_name(const drive& d, item_index parent, const std::string& name);

}  // namespace m365stage::sim
