#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "restore/made_folder.hpp"
#include "restore/mail_calls.hpp"
#include "restore/mail_json.hpp"

namespace m365stage::restore {

/// A mail folder of the target. Found in its parent by what it is (well-known), by its id, or by its name;
/// made if it is not there.
class mail_folder final : public made_folder {
public:
    /// The folder at the top, msgfolderroot. `origin`: the mailbox is the one that the tree is of, and ids in
    /// sidecars mean something.
    mail_folder(context& with, std::string target, mail_calls calls, std::string id, bool origin);
    /// A folder in `parent`. `o` may be null: a folder that no sidecar tells of.
    mail_folder(std::shared_ptr<mail_folder> parent, std::string path, std::string name, const object* o);

    bool only_with_content() const override { return stand_in_; }

    const std::string& id() const { return id_; }
    const std::string& target() const { return target_; }
    const mail_calls& calls() const { return calls_; }

    /// Messages with that internetMessageId or mark that were there before, in a folder that is ensured.
    /// Without an internetMessageId also the very message, by its id, in the mailbox that it came from
    /// (drafts may have none). Lists the folder once, unless it is new.
    task<core::result<std::vector<remote_message>>> find(
        std::string internet_id, std::string mark, std::string old_id
    );
    /// Messages with that internetMessageId, or mark if there is none, as they are now.
    task<core::result<std::vector<remote_message>>> find_now(std::string internet_id, std::string mark);

private:
    struct child {
        std::string id, name;
        bool ours = false;
    };
    task<core::result<std::vector<remote_message>>> ask_for(std::string filter);
    task<core::result<std::vector<remote_message>>> ask_for_itself(std::string id);
    task<core::result<void>> make() override;
    task<core::result<void>> settle_in(entry e, std::string id, outcome state);
    task<core::result<void>> create(entry e);
    task<core::result<void>> fail(entry e, core::error why);
    task<core::result<std::string>> well_known_id();
    task<core::result<void>> know_children();
    task<core::result<void>> list_children();
    task<core::result<void>> know_messages();
    task<core::result<void>> list_messages();
    /// A folder of that name that is not one of ours; nullptr: none. `any`: also ours.
    const child* named(const std::string& name, bool any) const;

    context& with_;
    std::string target_;
    mail_calls calls_;
    std::shared_ptr<mail_folder> parent_;
    std::string path_, name_, mark_, old_id_, well_known_;
    std::string id_;
    bool origin_ = false, top_ = false, hidden_ = false;
    bool stand_in_ = false;  ///< for a well-known folder that nothing can be put into
    bool unlistable_ = false;
    bool marks_ = true;  ///< the service tells extended properties in lists
    async::once listed_, children_listed_;
    std::vector<child> children_;
};

/// The folders that exist in every mailbox and that a restore in place may put something into. Others of that
/// sort (Outbox: mail clients send what lies there; recoverable items: nobody can write there) get a folder
/// of their own.
bool is_restorable_well_known(std::string_view name);

/// True for a folder of months, which the staging made.
bool is_month(const object& o);

}  // namespace m365stage::restore
