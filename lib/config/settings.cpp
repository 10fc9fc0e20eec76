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

bool selection::selects(std::string_view name) const {
    const auto matches = [name](const std::string& pattern) { return core::glob_match(pattern, name); };
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
