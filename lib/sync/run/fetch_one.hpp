#pragma once

#include <variant>

#include "sync/run/context.hpp"

namespace m365stage::sync {

/// The item is not there any more.
struct vanished {};

/// Its mailbox, or the whole service, is paused for longer than a worker should wait: nothing was tried.
struct postponed {};

/// What became of one item: fetched (its permissions or columns may be missing), gone, or failed. A failure
/// may carry the sha256 of bytes that were not what the service announced, to be compared at the next try.
struct fetch_failure {
    fetch_failure() = default;
    explicit fetch_failure(core::error e, std::string first = {})
        : why(std::move(e)), first_bytes(std::move(first)) {}
    core::error why;
    std::string first_bytes;
};
using fetch_outcome = std::variant<index::fetch_result, vanished, fetch_failure, postponed>;

/// Fetches content and permissions of one item into the spool. A broken transfer is resumed, an expired
/// address asked for again, bytes that are not what was announced fetched once more (contract 5.6, 5.8).
task<fetch_outcome> fetch_one(pass_context& pass, index::container container, index::work_item item);

}  // namespace m365stage::sync
