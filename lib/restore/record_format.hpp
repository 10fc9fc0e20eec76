#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "restore/kind.hpp"

namespace m365stage::restore {

/// An item of the target, as far as it is needed to know ours again.
struct remote_record {
    remote_record() = default;
    std::string id;
    bool same = false;  ///< in all that can be written, not by its name alone
};

/// How contacts or tasks are written: everything in which the two differ. Stateless.
class record_format {
public:
    virtual ~record_format() = default;

    // Addresses, below that of the user.
    virtual std::string folders() const = 0;            ///< "/contactFolders"
    virtual std::string items() const = 0;              ///< "/contacts", below a folder
    virtual std::string well_known_folder() const = 0;  ///< name of the one that is always there, in sidecars
    virtual bool nests() const = 0;                     ///< folders lie in folders
    virtual std::string folder_word() const = 0;        ///< "contact folder"
    virtual std::string item_word() const = 0;          ///< "contact"
    virtual bool joins_cards() const = 0;               ///< an export makes one .vcf of a folder

    /// Everything that can be written, from a sidecar's metadata or an element of the service.
    virtual nlohmann::json body_of(const nlohmann::json& item) const = 0;
    /// What a person would call the same one, whatever else has changed in it.
    virtual std::string identity_of(const nlohmann::json& body) const = 0;

    /// Puts to the item at `address` what is no part of its body: a photo, a checklist. What is there already
    /// is left alone; if the item takes the place of another version (`is_replaced`), that version's parts
    /// go. What can't be put there has an entry of its own, a copy of `e`. Errors: those that are worth
    /// another try, and not_found if the item is gone.
    virtual task<core::result<void>> complete(
        context& with, const std::string& owner, const std::string& address, const object& o, entry e
    ) const = 0;
};

const record_format& contact_format();
const record_format& task_format();

// How an item came by its id, in `entry::name`: items have no names that would be put there.
inline constexpr const char* record_to_replace = "to be replaced";  ///< its old content is to be overwritten
inline constexpr const char* record_replaced = "replaced";  ///< it is overwritten; its parts may not be
inline constexpr const char* record_alike =
    "alike";  ///< the name was ours behind a lost answer, the rest not

inline bool is_replaced(const entry& e) {
    return e.name == record_replaced;
}

/// `body` as a change of what is `there`: what only that has is emptied. (A PATCH leaves alone what it does
/// not tell.)
nlohmann::json replacing_body(const nlohmann::json& body, const nlohmann::json& there);

/// What stands for a body: equal ones are the same record.
std::string record_key(const nlohmann::json& body);

/// True if all that `sent` says is in `there`: the service adds to what it gets.
bool is_kept(const nlohmann::json& sent, const nlohmann::json& there);

/// Contacts and tasks as a kind of data; `name` as in sidecars and the tree, `role`: the permission.
std::unique_ptr<kind> make_record_kind(std::string name, std::string role, const record_format& format);

}  // namespace m365stage::restore
