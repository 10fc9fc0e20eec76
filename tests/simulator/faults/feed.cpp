// Faults of feeds and items. They are asked for by name where a feed or an item is produced.
#include "kinds.hpp"

namespace m365stage::sim {

void add_feed_faults(std::vector<fault_kind>& out) {
    auto add = [&](const char* name, const char* meaning, std::vector<fault_parameter> parameters) {
        out.push_back({name, meaning, fault_stage::feed, std::move(parameters), nullptr});
    };
    add("resync", "410 for a request with a token (Q17, Q18)",
        {{"code", "resyncRequired, resyncChangesApplyDifferences, resyncChangesUploadDifferences, ..."},
         {"location", "good, none or broken"}});
    add("malformed_token", "400 'Provided sync token is malformed' (Q19)", {});
    add("incoherent_view", "500 'Failed to get a coherent view of changes' (Q21)", {});
    add("not_found_mid_paging", "404 itemNotFound on a later page (Q20)", {});
    add("empty_pages", "a page without items, with a nextLink (Q2)", {});
    add("duplicates", "each item of the page twice, an older state first (Q1)", {});
    add("child_before_parent", "the page's items in reverse order (Q13)", {});
    add("repeat_next_link", "the same nextLink and items again (Q3)", {});
    add("cycle_next_link", "nextLinks that lead back to the first page", {});
    add("replay", "unchanged items at the end of a page (Q14, Q16)", {{"items", "10"}});
    add("mutate_between_pages", "three random changes in the drive before a later page", {});
    add("mutate_before_download", "the item is deleted when its download is asked for (Q12)", {});
    add("item_not_found", "404 for the item and its content although the feed has it (Q12)", {});
    add("omit_parent_path", "habit: no parentReference.path (Q27)", {});
    add("omit_ctag", "habit: no cTag", {});
    add("tombstone_names", "habit: tombstones have a name", {});
    add("zero_child_count", "habit: childCount is 0 (Q26)", {});
    add("implicit_child_tombstones", "habit: only the topmost deleted folder is told (Q7)", {});
    add("silent_recreate", "habit: no tombstone for what was made again under its name (Q9)", {});
    add("hide_children_of_moved", "habit: files of folders that are new and moved are not told (Q10)", {});
    add("negative_size", "habit: sizes below 0", {});
    add("old_dates", "habit: all dates in 1601", {});
    add("removed_as_changed",
        "habit: messages that left a mail folder are @removed with the reason 'changed'", {});
    add("fractional_seconds", "habit: times with fractions (Q49)", {});
}

}  // namespace m365stage::sim
