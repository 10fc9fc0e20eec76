#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/containers.hpp"
#include "index/items.hpp"

namespace m365stage::index {

struct known_item;

/// Records the items of a page, one after the other, within the caller's transaction: compares each with its
/// row, and puts what is left to do on the list. Part of `apply_page`.
class page_writer {
public:
    /// `from`: remote id of the folder whose stream it is; empty: the main stream.
    page_writer(
        database& db, const container& c, unix_seconds now, unix_seconds url_until, std::string from = {}
    )
        : db_(db), container_(c), now_(now), url_until_(url_until), from_(std::move(from)) {}

    page_outcome outcome;

    void take(const item_change& change);

    /// By how many the container's live items changed.
    std::int64_t live_change() const { return live_change_; }

    /// Folders that this round brought for the first time.
    const std::vector<std::string>& new_folders() const { return new_folders_; }

private:
    /// What the service does not tell more of than that it is there.
    void take_untold(const item_change& c, const std::optional<known_item>& have);

    std::optional<std::int64_t> parent_of(const item_change& change);

    /// The row of the folder of our own making that the item goes into.
    std::int64_t made_folder(std::int64_t parent, const item_change& change);

    /// True if the item's folder, by the latest page that told of it, is that one.
    bool lies_in(const known_item& item, std::string_view folder);

    void create(const item_change& c);
    void update(const item_change& c, const known_item& have);

    /// Puts the work on the list, or replaces what is there. Failures of an older version are forgotten.
    /// Permissions and columns are read whenever the sidecar is written anew: nothing but the old sidecar has
    /// them.
    void enqueue(item_id id, const item_change& c, bool content, work_cause cause);

    void note_folder(const item_change& c);
    void remove(const known_item& have);

    /// The same id is a folder now and was a file before, or the reverse: the old one goes, under a name of
    /// its own.
    void retire(const known_item& have);

    bool has_twin(std::optional<std::int64_t> parent, std::string_view name);

    /// Two live items of one name: both places are looked at when the round settles.
    void flag_twins(std::optional<std::int64_t> parent, std::string_view name, item_id self);

    database& db_;
    const container& container_;
    unix_seconds now_;
    unix_seconds url_until_;
    std::int64_t live_change_ = 0;
    std::string from_;
    std::vector<std::string> new_folders_;
    std::string last_parent_id_, last_subfolder_;
    std::optional<std::int64_t> last_parent_;
};

}  // namespace m365stage::index
