#pragma once

#include <optional>
#include <string>
#include <vector>

#include "index/database.hpp"
#include "index/rows.hpp"

namespace m365stage::index {

/// A user, group or site that the directory has.
struct owner_row {
    owner_row() = default;
    owner_row(std::string k, std::string id, std::string n, std::string p)
        : kind(std::move(k)), remote_id(std::move(id)), name(std::move(n)), path(std::move(p)) {}
    std::string kind, remote_id, name, path;
};

void upsert_owner(database& db, const owner_row& o, std::int64_t pass);
/// Notes that an owner is there, of whom no more was told; nothing if nobody knows it.
void see_owner(database& db, std::string_view kind, std::string_view remote_id, std::int64_t pass);
/// The pass that saw it last; nullopt: nobody knows it.
std::optional<std::int64_t> owner_seen_in(database& db, std::string_view kind, std::string_view remote_id);
void remove_owner(database& db, std::string_view kind, std::string_view remote_id);

/// After a complete listing: removes owners of that kind that it did not bring.
void remove_unseen_owners(database& db, std::string_view kind, std::int64_t pass);

/// After a complete list of sites: removes those that neither it nor the list of a parent's subsites brought.
/// A subsite whose parent was not asked in this pass stays.
void remove_unseen_sites(database& db, std::int64_t pass);

/// Owners whose containers are to be listed in the pass `pass`: all that were never listed, and the `rolling`
/// ones that were listed longest ago.
std::vector<owner_row> owners_to_list(database& db, int rolling, std::int64_t pass);

/// Notes that an owner was listed for one kind of data; its containers of that kind that are not `present`
/// any more (remote ids) have departed, if the list before this one said so as well. False: some are missing
/// for the first time, and the owner is to be asked again in the next pass (`list_owner_again`).
bool kind_listed(
    database& db, const owner_row& o, std::string_view kind, const std::vector<std::string>& present,
    unix_seconds now
);
void list_owner_again(database& db, const owner_row& o);
void owner_listed(database& db, const owner_row& o, std::int64_t pass);

/// Sets what is not covered of an owner, or of a container: these reasons and no others.
void set_not_covered(
    database& db, std::string_view owner, const std::vector<std::string>& reasons, unix_seconds now
);

/// An owner of whom a list told only a part, and for whom the service would not answer: nobody knows whether
/// they are ours. Not covered until they are told in whole, and to be asked for again, since the list's
/// cursor has passed them.
struct unanswered_owner {
    unanswered_owner() = default;
    std::string remote_id;
    unix_seconds since = 0;
};
/// Some of them, other ones each time.
std::vector<unanswered_owner> unanswered_owners(database& db, std::string_view kind, int most);
void note_unanswered(
    database& db, std::string_view kind, std::string_view remote_id, core::error_kind why, unix_seconds now
);
void forget_unanswered(database& db, std::string_view kind, std::string_view remote_id);

struct container_owner {
    container_owner() = default;
    container_id container{};
    std::string kind, name;
    std::string data_kind;  ///< of the container
    bool known = false;     ///< the directory still has it
};
std::vector<container_owner> container_owners(database& db);

}  // namespace m365stage::index
