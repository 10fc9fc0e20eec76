#pragma once

#include <cstdint>
#include <string>

#include "exchange.hpp"

/// What all change feeds of Outlook have in common: tokens, refusals, links (contract, sections 4 and 10.4).
namespace m365stage::sim {

/// What a token says. It holds all there is to know about a round, so that no round takes memory: positions
/// count entries of logs that only grow.
struct feed_token {
    std::uint32_t mailbox = 0;
    std::uint32_t folder = 0;      ///< which feed of the mailbox: a mail folder, or a number of its own
    std::uint32_t generation = 0;  ///< of its sync state
    std::uint32_t since = 0;       ///< changes after this one are told; 0: everything
    std::uint32_t upto = 0;        ///< last change of the round; 0: a delta link
    std::uint64_t position = 0;    ///< in the log
    std::uint64_t removal = 0;     ///< in the list of removals
    std::uint64_t shape = 0;
    std::uint64_t page = 0;
};

/// Which of the known shapes it is; a new one becomes known.
std::uint64_t shape_number(exchange_state& x, const mail_shape& s);
/// 403 ErrorQuotaExceeded (Q72).
response over_quota();
/// Faults that answer in place of a page. `id`: of the folder, for the matcher `drive`.
bool refused(
    const outlook_call& c, const std::string& id, bool has_token, const feed_token& t, response& out
);
/// The token of a request: from its query, or fresh. False: `out` is the answer.
bool read_token(
    const outlook_call& c, std::uint32_t folder, std::uint32_t generation, feed_token& t, bool& opaque,
    response& out
);
/// The size of a page that the client prefers, within what is served.
std::uint32_t page_size(const outlook_call& c);
/// Random changes of the mailbox between two pages, when the fault is in the plan. `what`: the admin request
/// that makes them ("exchange/change").
void mutate_between_pages(
    const outlook_call& c, const std::string& id, const feed_token& t, const std::string& what
);
/// Ends a page with its link. `value`: `"value":[` with its elements; `before`: the page's own token.
response close_page(
    const outlook_call& c, const std::string& path, const std::string& context, std::string value,
    const feed_token& before, feed_token t, bool ended, const std::string& id
);

}  // namespace m365stage::sim
