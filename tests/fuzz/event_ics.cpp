// Any bytes as an event: its iCalendar text keeps to RFC 5545's lines, and its sidecar to JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "graph/json.hpp"
#include "sources/calendar_item.hpp"
#include "sources/fields.hpp"
#include "sources/ics_event.hpp"

namespace {

void require(bool good) {
    if (!good) {
        std::abort();
    }
}

void check_lines(const std::string& text) {
    std::size_t from = 0;
    while (from < text.size()) {
        const auto at = text.find("\r\n", from);
        constexpr std::size_t longest = 75;
        require(at != std::string::npos && at - from <= longest);
        require(text.substr(from, at - from).find_first_of("\r\n") == std::string::npos);
        from = at + 2;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage;
    const auto event = graph::parse_object(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!event) {
        return 0;
    }
    const auto change = sources::parse_event(*event->value, "calendar");
    require(!change || (!change->remote_id.empty() && (change->removed || !change->name.empty())));
    const auto made = sources::make_ics(*event->value);
    std::string all = made.head;
    require(!made.events.empty());
    for (const auto& e : made.events) {
        require(e.before.starts_with("BEGIN:VEVENT\r\n") && e.after.ends_with("END:VEVENT\r\n"));
        all += e.before + e.after;
    }
    check_lines(all + made.tail);
    const auto kept = sources::event_metadata(*event->value);
    require(nlohmann::json::accept(sources::canonical(kept)));
    require(sources::event_key(kept) == sources::event_key(*event->value));
    return 0;
}
