#include "graph/links.hpp"

#include <algorithm>

#include "core/text.hpp"
#include "http/http.hpp"

namespace m365stage::graph {
namespace {

bool is_plain(std::string_view url) {
    auto path = url.find('/', url.find("://") + 3);
    std::string_view authority = url.substr(0, path);
    bool clean = std::all_of(url.begin(), url.end(), [](char c) {
        return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
    });
    return clean && authority.find_first_of("@\\") == std::string_view::npos;
}

bool is_loopback(std::string_view host) {
    return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "::1";
}

bool has_suffix(std::string_view host, std::string_view suffix) {
    if (suffix.starts_with('.')) {
        suffix.remove_prefix(1);
    }
    if (suffix.empty() || !host.ends_with(suffix)) {
        return false;
    }
    return host.size() == suffix.size() || host[host.size() - suffix.size() - 1] == '.';
}

core::error refusal(std::string cause) {
    core::error e(core::error_kind::protocol, std::move(cause));
    e.operation = following;
    return e;
}

}  // namespace

link_rules::link_rules(std::string graph_url, std::vector<std::string> download_hosts)
    : graph_url_(std::move(graph_url)), hosts_(std::move(download_hosts)) {
    while (!graph_url_.empty() && graph_url_.back() == '/') {
        graph_url_.pop_back();
    }
    for (std::string& host : hosts_) {
        host = core::lowered(host);
    }
    if (auto parts = http::parse_url(graph_url_ + "/")) {
        graph_origin_ = parts->origin();
        loopback_ = is_loopback(parts->host);
    }
}

std::string link_rules::absolute(std::string_view target) const {
    return target.starts_with('/') ? graph_url_ + std::string(target) : std::string(target);
}

bool link_rules::is_url(std::string_view text) {
    return http::parse_url(text).has_value() && is_plain(text);
}

bool link_rules::is_graph(std::string_view url) const {
    auto parts = http::parse_url(url);
    return parts && !graph_origin_.empty() && is_plain(url) && parts->origin() == graph_origin_;
}

core::result<void> link_rules::check_download(std::string_view url) const {
    auto parts = http::parse_url(url);
    if (!parts || !is_plain(url)) {
        return refusal("the service gave a download link that is no URL");
    }
    if (!graph_origin_.empty() && parts->origin() == graph_origin_) {
        return {};
    }
    bool loopback = loopback_ && is_loopback(parts->host);
    if (parts->scheme != "https" && !loopback) {
        return refusal("the download link to " + parts->host + " is not https");
    }
    auto fits = [&](const std::string& suffix) { return has_suffix(parts->host, suffix); };
    if (!hosts_.empty() && !loopback && std::none_of(hosts_.begin(), hosts_.end(), fits)) {
        return refusal("the download link leads to " + parts->host + ", which is not an allowed host");
    }
    return {};
}

}  // namespace m365stage::graph
