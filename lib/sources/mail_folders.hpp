#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "sources/source.hpp"

namespace m365stage::sources {

inline constexpr unsigned mail_folders_a_page = 250;

/// What is asked of each folder. The counter says whether it is worth asking for children, and is no part of
/// the sidecar: it moves by itself.
inline constexpr const char* mail_folder_members = "displayName,parentFolderId,isHidden,childFolderCount";

/// What the pages of a mailbox' folder list leave out: names and parents of entries that tell only what
/// changed (contract Q69), and folders that their parents alone tell of (Q79).
/// Threads: network thread.
class mail_folders {
public:
    /// Asks for the folders of a page that lack name or parent. `below`: whose children they are; empty: the
    /// page does not say. What has no parent even then goes below the mailbox' root. What can't be told stays
    /// as it is known (`is_untold`), and `page` says what that means for the round.
    static task<core::result<void>> complete(
        graph::client& graph, const index::container& c, graph::page& page, const std::string& below
    );

    /// Adds what is below the folders of a page of the feed and did not come with them. If the feed leaves
    /// folders out, it will not tell of their changes either: the next round begins anew.
    task<core::result<void>> add_children(
        graph::client& graph, const index::container& c, const index::stream& s, graph::page& page
    );

    /// A folder of which nothing is known but that it is there.
    static bool is_untold(const nlohmann::json& element);

private:
    /// What the pages of a round brought, by hashes of ids. In memory only: at worst the round after a
    /// restart begins anew.
    struct round {
        round() = default;
        std::unordered_set<std::size_t> told;
        std::vector<std::size_t> found;  ///< by their parents
        bool anew = false;
    };
    struct walk;

    round take_round(const index::container& c, const index::stream& s);
    void keep_round(const index::container& c, round r);

    std::map<std::string, round> rounds_;  ///< of lists of several pages, by owner id; bounded
};

}  // namespace m365stage::sources
