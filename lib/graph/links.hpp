#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace m365stage::graph {

/// What failures to follow a link name as their operation.
inline constexpr std::string_view following = "follow link";

/// Decides which URLs are Graph's own, which are file hosts', and which are refused.
class link_rules {
public:
    link_rules() = default;
    link_rules(std::string graph_url, std::vector<std::string> download_hosts);

    /// The absolute URL of a call's target: relative ones are completed, absolute ones stay untouched.
    std::string absolute(std::string_view target) const;

    /// True for what is an absolute URL at all, as it stands: no blanks, no names of users in it.
    static bool is_url(std::string_view text);

    /// True if a token may be sent there: scheme, host and port are Graph's.
    bool is_graph(std::string_view url) const;

    /// Errors: protocol (no https, a host that is not allowed); with no part of path or query.
    /// Plain http is taken only if it stays on this machine: Graph and the link lead to loopback hosts.
    core::result<void> check_download(std::string_view url) const;

private:
    std::string graph_url_;
    std::string graph_origin_;
    bool loopback_ = false;
    std::vector<std::string> hosts_;
};

}  // namespace m365stage::graph
