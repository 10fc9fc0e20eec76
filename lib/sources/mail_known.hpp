#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "sources/source.hpp"

namespace m365stage::sources {

/// Which of a mailbox' folders are its inbox, its sent items, ...: their names are localised, folders do not
/// tell, and only the service knows (contract 6.1). A restore into another mailbox needs it.
/// Threads: network thread.
class known_folders {
public:
    /// Adds "wellKnownName" to the folders of a page. Asks the service the first time that a mailbox brings
    /// any, so pages without folders cost nothing. Errors: as the service says.
    task<core::result<void>> name_them(graph::client& graph, const index::container& c, nlohmann::json& page);

private:
    struct known {
        std::string_view name;
        std::size_t id_hash;
    };
    static task<core::result<std::vector<known>>> ask(graph::client& graph, const index::container& c);

    std::map<std::string, std::vector<known>> mailboxes_;  ///< by owner id; bounded
};

}  // namespace m365stage::sources
