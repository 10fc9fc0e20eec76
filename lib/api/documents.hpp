#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/time.hpp"
#include "index/history.hpp"
#include "index/leases.hpp"
#include "index/reports.hpp"
#include "sync/pass.hpp"

/// What the program tells about itself as JSON: written once, for the command line (--json) and the REST
/// server. `schema/openapi.yaml` describes every document. Times are "2026-10-01T07:11:12Z" or null.
namespace m365stage::api {

/// JSON text with bytes that are no UTF-8 replaced, so that no name can spoil a document.
std::string dump(const nlohmann::json& document);

/// Appends `text` as a JSON string.
void append_quoted(std::string& out, std::string_view text);

/// One object of `ls --json` or `changes --json`, without a line end. By hand, because there may be millions.
void append_item(std::string& out, const index::container& c, const index::listed_item& item);
void append_change(std::string& out, const index::change_row& c);

nlohmann::json time_document(core::unix_seconds t);  ///< null for 0
nlohmann::json time_document(std::optional<core::unix_seconds> t);

nlohmann::json container_document(const index::container& c);
nlohmann::json failing_document(const index::failing_group& g);
nlohmann::json lease_document(const index::lease_row& l);
nlohmann::json job_document(const index::job_row& j);
nlohmann::json version_document(const index::version_row& v);
nlohmann::json held_document(const index::held_container& h);
/// {"kind", "message", "cause", "hint"}: the message is the error's line without the hint, the cause that
/// line without what was tried on what; the hint may be null.
nlohmann::json error_document(const core::error& e);

/// A pass that has ended, as `sync --json` prints it.
nlohmann::json pass_document(const sync::pass_summary& s);

/// What the row of a pass says of the work it did.
struct pass_numbers {
    explicit pass_numbers(const index::pass_row& p);

    /// The waiting of a pass by what it was for, each 0..1. Requests run side by side, so their times add up
    /// to more than the pass took: only the shares mean something.
    struct shares {
        double service = 0, network = 0, disk = 0;
    };
    std::int64_t items_changed = 0, fetched = 0, fetched_bytes = 0, requests = 0, errors = 0;
    std::optional<double> seconds;
    std::optional<shares> waited;
};

}  // namespace m365stage::api
