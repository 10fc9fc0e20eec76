#include <algorithm>
#include <charconv>
#include <limits>

#include "config/config.hpp"
#include "core/glob.hpp"

namespace m365stage::config {

cloud_hosts hosts_of(cloud_kind cloud) {
    switch (cloud) {
        case cloud_kind::global:
            break;
        case cloud_kind::us_gov:
            return {"https://login.microsoftonline.us", "https://graph.microsoft.us"};
        case cloud_kind::us_gov_dod:
            return {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us"};
        case cloud_kind::china:
            return {"https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"};
    }
    return {"https://login.microsoftonline.com", "https://graph.microsoft.com"};
}

std::vector<std::string> file_hosts_of(cloud_kind cloud) {
    std::vector<std::string> hosts{"microsoft.com", "office.com", "office.net", "svc.ms", "cloud.microsoft"};
    const auto add = [&hosts](std::initializer_list<const char*> more) {
        hosts.insert(hosts.end(), more.begin(), more.end());
    };
    switch (cloud) {
        case cloud_kind::global:
            add(
                {"sharepoint.com", "sharepoint-df.com", "office365.com", "1drv.com", "1drv.ms", "live.com",
                 "live.net", "livefilestore.com", "onedrive.com", "microsoftpersonalcontent.com"}
            );
            break;
        case cloud_kind::us_gov:
        case cloud_kind::us_gov_dod:
            // One list: L5 tenants were moved from L4, and both share login and services.
            add(
                {"sharepoint.us", "sharepoint-mil.us", "office365.us", "office.us", "microsoft.us",
                 "apps.mil", "microsoftonline.us"}
            );
            break;
        case cloud_kind::china:
            add(
                {"sharepoint.cn", "partner.outlook.cn", "office365.cn", "chinacloudapi.cn",
                 "microsoftonline.cn", "21vianet.com", "office.cn"}
            );
            break;
    }
    return hosts;
}

std::string_view to_string(cloud_kind cloud) {
    switch (cloud) {
        case cloud_kind::global:
            break;
        case cloud_kind::us_gov:
            return "us-gov";
        case cloud_kind::us_gov_dod:
            return "us-gov-dod";
        case cloud_kind::china:
            return "china";
    }
    return "global";
}

std::string_view to_string(data_kind kind) {
    switch (kind) {
        case data_kind::onedrive:
            break;
        case data_kind::mail:
            return "mail";
        case data_kind::calendar:
            return "calendar";
        case data_kind::contacts:
            return "contacts";
        case data_kind::tasks:
            return "tasks";
        case data_kind::sharepoint:
            return "sharepoint";
        case data_kind::groups:
            return "groups";
    }
    return "onedrive";
}

std::string_view to_string(log_level level) {
    switch (level) {
        case log_level::trace:
            return "trace";
        case log_level::debug:
            return "debug";
        case log_level::info:
            break;
        case log_level::warning:
            return "warning";
        case log_level::error:
            return "error";
    }
    return "info";
}

namespace {

/// "a%20b" -> "a b"; what is no escape stays.
std::string without_escapes(std::string_view pattern) {
    std::string out;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        unsigned value = 0;
        const auto* first = pattern.data() + i + 1;
        if (pattern[i] == '%' && i + 2 < pattern.size() &&
            std::from_chars(first, first + 2, value, 16).ptr == first + 2) {
            out += static_cast<char>(value);
            i += 2;
        } else {
            out += pattern[i];
        }
    }
    return out;
}

}  // namespace

bool selection::selects(std::string_view name) const {
    const auto matches = [name](const std::string& pattern) {
        return core::glob_match(pattern, name) || core::glob_match(without_escapes(pattern), name);
    };
    return std::any_of(include.begin(), include.end(), matches) &&
           std::none_of(exclude.begin(), exclude.end(), matches);
}

bool settings::has(data_kind kind) const {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    std::uint64_t count = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (failure != std::errc()) {
        return std::nullopt;
    }
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    int shift = 0;
    for (std::string_view known : {"", "KiB", "MiB", "GiB", "TiB"}) {
        if (unit == known || (shift == 0 && unit == "B")) {
            constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
            return count > (most >> shift) ? std::nullopt : std::optional<std::uint64_t>(count << shift);
        }
        shift += 10;
    }
    return std::nullopt;
}

}  // namespace m365stage::config
