#include "daemon/runtime.hpp"

#include <doctest/doctest.h>

#include "graph/links.hpp"

using namespace m365stage;
using config::cloud_kind;

namespace {

/// As the configuration has it that names this cloud and nothing of the endpoints.
config::settings settings_for(cloud_kind cloud) {
    config::settings s;
    s.tenant.cloud = cloud;
    s.endpoints.login = config::hosts_of(cloud).login;
    s.endpoints.graph = config::hosts_of(cloud).graph;
    return s;
}

/// Whether content is fetched from there.
bool fetches_from(const config::settings& s, std::string_view url) {
    const auto options = daemon::graph_options_of(s);
    return graph::link_rules(options.graph_url, options.download_hosts).check_download(url).has_value();
}

constexpr const char* global_file = "https://contoso-my.sharepoint.com/f?tempauth=x";
constexpr const char* china_file = "https://contoso.sharepoint.cn/f?tempauth=x";
constexpr const char* strange_file = "https://sharepoint.com.evil.example/f";

}  // namespace

TEST_SUITE("daemon") {
    TEST_CASE("runtime: with a cloud's own endpoints files come from Microsoft's hosts of that cloud alone") {
        const auto global = settings_for(cloud_kind::global);
        CHECK(fetches_from(global, global_file));
        CHECK(fetches_from(global, "https://x.svc.ms/f"));
        CHECK(fetches_from(global, "https://graph.microsoft.com/v1.0/f"));
        CHECK_FALSE(fetches_from(global, china_file));
        const auto china = settings_for(cloud_kind::china);
        CHECK(fetches_from(china, china_file));
        CHECK_FALSE(fetches_from(china, global_file));
        const auto us_gov = settings_for(cloud_kind::us_gov);
        CHECK(fetches_from(us_gov, "https://contoso.sharepoint.us/f"));
        CHECK_FALSE(fetches_from(us_gov, global_file));
        for (const auto cloud :
             {cloud_kind::global, cloud_kind::us_gov, cloud_kind::us_gov_dod, cloud_kind::china}) {
            CAPTURE(config::to_string(cloud));
            CHECK_FALSE(fetches_from(settings_for(cloud), strange_file));
        }
    }

    TEST_CASE("runtime: a cloud's own endpoint is its own however it is written") {
        auto s = settings_for(cloud_kind::global);
        for (const char* same : {"https://Graph.Microsoft.com", "https://graph.microsoft.com:443"}) {
            CAPTURE(same);
            s.endpoints.graph = same;
            CHECK(fetches_from(s, global_file));
            CHECK_FALSE(fetches_from(s, strange_file));
        }
    }

    TEST_CASE("runtime: the hosts of files behind another endpoint or another authority are not known") {
        auto elsewhere = settings_for(cloud_kind::global);
        elsewhere.endpoints.graph = "https://graph.example";
        CHECK(fetches_from(elsewhere, "https://files.example/f"));
        CHECK_FALSE(fetches_from(elsewhere, "http://files.example/f"));
        auto behind_proxy = settings_for(cloud_kind::global);
        behind_proxy.endpoints.ca_file = "/etc/m365stage/proxy.pem";
        CHECK(fetches_from(behind_proxy, "https://files.example/f"));
    }
}
