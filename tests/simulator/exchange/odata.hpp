#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../http_types.hpp"

/// What Exchange's collections have in common: Prefer values, $select, paging, errors (contract, 2.5, 2.8,
/// 6).
namespace m365stage::sim {

/// What a request prefers.
struct preferences {
    bool immutable = false;  ///< IdType="ImmutableId"
    std::int64_t page = 0;   ///< odata.maxpagesize; 0: not given
    bool text_body = false;  ///< outlook.body-content-type="text"
    std::string time_zone;   ///< outlook.timezone
};
preferences preferences_of(const request& r);
/// Tells which of them were honoured.
void tell_preferences(const preferences& p, bool paged, response& out);

/// A segment without OData's key syntax: messages('x') gives messages and x.
std::vector<std::string> normal_segments(const std::string& path);

response not_found_in_store();
response malformed_id();
response unknown_segment(const std::string& segment);
response unknown_property(const std::string& name, const char* type);
/// 404 for an id that leads nowhere, 400 for text that is no id.
response no_such_item(std::string_view id);
response bad_request(std::string_view message);
/// 500, as for what the service can't put into words.
response internal_error();

/// The names of a $select; nothing when there is none.
std::optional<std::vector<std::string>> selected(const request& r);
/// Keeps the selected members of `j`, and id and annotations.
void keep_selected(nlohmann::json& j, const std::optional<std::vector<std::string>>& names);

/// Whether nothing is selected but ids, versions and times, which can be told of everything.
bool is_light(const std::optional<std::vector<std::string>>& names);

/// $top, $skip and the preferred page of a listing.
struct page_request {
    std::size_t top = 10;
    std::size_t skip = 0;
};
page_request page_of(const request& r, const preferences& p, std::size_t otherwise, std::size_t most);
/// The link to the next page of a listing: the request's own query with another $skip.
std::string next_link(const request& r, std::size_t skip);
/// The address that a request was made to, with %27 for OData's quotes kept as they are:
/// https://host/v1.0/...
std::string address_of(const request& r);

}  // namespace m365stage::sim
