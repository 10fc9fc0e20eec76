#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "../seed.hpp"

/// A tenant in a folder of its own, asked without a network.
struct tenant_fixture {
    static m365stage::sim::seed_options small() {
        m365stage::sim::seed_options o;
        o.users = 2;
        o.sites = 1;
        o.groups = 1;
        o.files_per_drive = 40;
        o.file_size_max = 5000;
        o.specials = false;
        return o;
    }
    static std::string fresh_dir() {
        std::string name = (std::filesystem::temp_directory_path() / "m365sim-unit-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        return name;
    }

    explicit tenant_fixture(const m365stage::sim::seed_options& o = small())
        : dir(fresh_dir()), world(dir, o) {
        world.graph_origin = "https://localhost:1";
        world.files_origin = "https://localhost:2";
        token = world.auth.issue(world.now(), 36000);
    }
    ~tenant_fixture() { std::filesystem::remove_all(dir); }

    m365stage::sim::request make(
        const std::string& method, const std::string& url, const std::string& body = ""
    ) const {
        m365stage::sim::request r;
        r.method = method;
        r.files = url.starts_with(world.files_origin);
        r.host = r.files ? "localhost:2" : "localhost:1";
        r.target = url.starts_with("https://") ? url.substr(url.find('/', 8)) : url;
        auto question = r.target.find('?');
        r.path = r.target.substr(0, question);
        r.query = question == std::string::npos ? "" : r.target.substr(question + 1);
        r.parameters = m365stage::sim::parse_query(r.query);
        r.body = body;
        if (!r.files) {
            r.headers.emplace_back("authorization", "Bearer " + token);
        }
        return r;
    }
    m365stage::sim::response get(const std::string& url) { return serve(world, make("GET", url)); }
    nlohmann::json json(const std::string& url) {
        auto r = get(url);
        REQUIRE_MESSAGE(r.status == 200, r.body);
        return nlohmann::json::parse(r.body);
    }
    nlohmann::json admin(const std::string& what, const nlohmann::json& body) {
        auto r = serve(world, make("POST", "/_sim/" + what, body.dump()));
        REQUIRE_MESSAGE(r.status == 200, r.body);
        return nlohmann::json::parse(r.body);
    }

    std::string dir;
    m365stage::sim::world world;
    std::string token;
};

/// A client of one drive's feed that keeps id -> (parent, name, quickXorHash).
struct feed_client {
    feed_client(tenant_fixture& t, m365stage::sim::drive& d, std::string query = "") : tenant(t), drive(d) {
        link = "/v1.0/drives/" + d.id + "/root/delta" + (query.empty() ? "" : "?" + query);
    }
    /// Follows the feed to its delta link. Returns how many pages it had.
    int round() {
        seen.clear();
        for (int pages = 1;; ++pages) {
            REQUIRE(pages < 10000);
            auto page = tenant.json(link);
            for (const auto& i : page["value"]) {
                std::string id = i["id"];
                ++seen[id];
                if (i.contains("deleted")) {
                    items.erase(id);
                } else {
                    items[id] = i;
                }
            }
            bool last = page.contains("@odata.deltaLink");
            REQUIRE(last != page.contains("@odata.nextLink"));
            link = page[last ? "@odata.deltaLink" : "@odata.nextLink"];
            if (last) {
                return pages;
            }
        }
    }
    /// Compares with the drive itself.
    void check_complete() const {
        CHECK(items.size() == drive.live_count() + 1);
        for (m365stage::sim::item_index i = 0; i < drive.items().size(); ++i) {
            const auto& it = drive.at(i);
            if (it.has(m365stage::sim::flag_deleted)) {
                continue;
            }
            auto at = items.find(drive.item_id(i));
            REQUIRE(at != items.end());
            CHECK(at->second["name"] == it.name);
            if (!it.is_folder()) {
                CHECK(at->second["size"] == it.size);  // a folder's sum is not told when it shrinks
            }
            if (i != m365stage::sim::root_item) {
                CHECK(at->second["parentReference"]["id"] == drive.item_id(it.parent));
            }
        }
    }

    tenant_fixture& tenant;
    m365stage::sim::drive& drive;
    std::string link;
    std::map<std::string, nlohmann::json> items;
    std::map<std::string, int> seen;
};
