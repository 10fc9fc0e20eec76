#pragma once

#include "index/rows.hpp"
#include "sources/source.hpp"

namespace m365stage::sources {

/// Asks for one event with its exceptions, cancelled occurrences and attachments, and writes it to `out` as
/// an iCalendar object. Memory: the event's JSON and a piece of one attachment. What its sidecar gets is in
/// the result; an attachment that can't be read is named there with the reason. Errors: see source::render.
task<core::result<rendered_item>> render_event(
    graph::client& graph, const index::container& c, const index::work_item& item, http::body_sink& out
);

/// One event with its exceptions and cancelled occurrences, times in UTC. Errors: those of the calls.
task<core::result<nlohmann::json>> read_event(
    graph::client& graph, const index::container& c, std::string id
);

/// All attachments of an event or a message as their list tells them, an array; each has an id. Paging is not
/// to be relied on there (contract 6.4): what is known already ends it. Errors: those of the calls.
task<core::result<nlohmann::json>> list_attachments(graph::client& graph, graph::call call);

/// A call for the calendar of a mailbox: times in UTC.
graph::call calendar_call(const index::container& c, std::string target, unsigned page_size = 0);

}  // namespace m365stage::sources
