#pragma once

#include "record_api.hpp"

/// Contacts and tasks from seeds, for the seeded tenant and for changes from outside.
namespace m365stage::sim {

nlohmann::json seeded_contact(rng& r);
nlohmann::json seeded_task(rng& r);
content seeded_photo(rng& r);
/// Gives a task checklist items, links and attachments.
void furnish_task(record& t, rng& r, std::int64_t now);

}  // namespace m365stage::sim
