#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "http_types.hpp"

/// Who asked what, and what good clients do not do.
namespace m365stage::sim {

/// What a request was, for counters, costs and faults.
struct request_kind {
    std::string_view service;  ///< login, graph, directory, outlook, files, imds or admin
    std::string_view name;     ///< token, delta, delta_page, item_get, children, download, ...
    std::int64_t cost = 0;     ///< resource units of SharePoint
};
request_kind classify(const request& r);

class manners_keeper {
public:
    /// Notes a request as it arrives and what is wrong with it.
    void arrived(const request& r, const request_kind& kind, std::int64_t now_ms);
    /// Notes the answer; a Retry-After closes the service for a while.
    void answered(const request& r, const request_kind& kind, const response& out, std::int64_t now_ms);
    void finished(const request_kind& kind);
    void violation(std::string_view rule, const request& r, std::string detail);
    void count(std::string_view name, std::int64_t by = 1);
    std::int64_t counter(std::string_view name) const;

    nlohmann::json violations() const;
    nlohmann::json counters() const;
    nlohmann::json log(std::size_t limit) const;
    void reset_counters();
    void reset_violations();
    std::int64_t max_concurrency = 0;  ///< 0: not limited

private:
    struct line {
        std::int64_t time_ms;
        std::string text;
        std::string kind;
        std::string agent;
        int status;
    };
    struct breach {
        std::int64_t time_ms;
        std::string rule;
        std::string request;
        std::string detail;
    };
    /// A service that said Retry-After. `from` leaves time for requests that were on their way.
    struct closed {
        std::int64_t from_ms = 0;
        std::int64_t until_ms = 0;
    };
    std::map<std::string, std::int64_t, std::less<>> counters_;
    std::map<std::string, std::int64_t, std::less<>> rules_;
    std::map<std::string, closed, std::less<>> closed_;
    std::deque<line> log_;
    std::vector<breach> breaches_;
    std::int64_t in_flight_ = 0;
    std::int64_t most_in_flight_ = 0;
};

}  // namespace m365stage::sim
