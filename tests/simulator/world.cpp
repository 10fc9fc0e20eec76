#include "world.hpp"

#include <filesystem>

#include "seed.hpp"

namespace m365stage::sim {

world::world(std::string folder, const seed_options& o)
    : dir(std::move(folder)), options(o), directory(o.seed), auth(make_credentials(dir), "contoso.example") {
    std::filesystem::create_directories(dir + "/content");
    seed_tenant(*this);
}

std::string world::fresh_id() {
    ++serial;
    return guid_of(mix(serial * 2654435761ULL + options.seed), mix(serial ^ 0x51ULL));
}

std::string world::content_path() {
    return dir + "/content/" + fresh_id();
}

void world::reset(const seed_options& o) {
    options = o;
    directory = tenant(o.seed);
    faults.clear();
    limits = limit_engine();
    manners.reset_counters();
    manners.reset_violations();
    manners.max_concurrency = 0;
    exchange = exchange_state();
    rounds.clear();
    list_feed.clear();
    finished_rounds.clear();
    uploads.clear();
    monitors.clear();
    downloads.clear();
    invitations_sent = invitations_silent = 0;
    auth.refuse_code = 0;
    auth.cae_challenge = false;
    auth.keep_expired = 0;
    auth.expires_in = 3599;
    download_url_lifetime = 3600;
    content_url_lifetime = 300;
    range_needs_accept = true;
    ignore_ranges = false;
    file_etags = true;
    reject_authorization = true;
    seed_tenant(*this);
}

}  // namespace m365stage::sim
