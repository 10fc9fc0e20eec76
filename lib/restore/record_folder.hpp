#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "restore/made_folder.hpp"
#include "restore/record_format.hpp"

namespace m365stage::restore {

constexpr unsigned records_a_page = 250;

/// What all folders of one target share.
struct record_target {
    record_target(context& w, const record_format& f, std::string o, std::string j)
        : with(w), format(f), owner(std::move(o)), journal_name(std::move(j)) {}
    context& with;
    const record_format& format;
    std::string owner;              ///< id
    std::string journal_name;       ///< as journals name the target
    std::set<std::string> claimed;  ///< ids of folders and items that belong to an object of the tree
    std::string address() const;    ///< "/v1.0/users/<id>"
    graph::call call(const std::string& below, std::string object, unsigned page_size = 0) const;
};

/// A contact folder or a task list of the target. Found by what it is (well-known) or by its name; made if it
/// is not there. Where folders don't nest, the names of those above are part of its own.
class record_folder final : public made_folder {
public:
    /// The place above all folders; `prefix` stands before the names of those in it.
    record_folder(std::shared_ptr<record_target> target, std::string prefix);
    /// A folder in `parent`. `o` may be null: a folder that no sidecar tells of.
    record_folder(std::shared_ptr<record_folder> parent, std::string path, std::string name, const object* o);

    const std::string& id() const { return id_; }
    std::string address() const;  ///< of the folder, from "/v1.0" on

    /// An item that is the same (`key`) or goes by the same name (`identity`), and that no object has
    /// claimed; the same one first. `others`: ids that are passed over, unless it is the same. Lists the
    /// folder once.
    task<core::result<std::optional<remote_record>>> find(
        std::string identity, std::string key, std::set<std::string> others
    );
    /// Ids of all that go by that name, as the folder was when it was listed.
    std::set<std::string> named(const std::string& identity) const;
    /// The list has to be asked for again.
    void forget() { listed_.reset(); }
    record_target& target() { return *target_; }

private:
    task<core::result<void>> make() override;
    task<core::result<void>> settle(entry e, std::string id, outcome state);
    task<core::result<void>> create(entry e);
    task<core::result<void>> list();
    /// The one that is always there, or one of that name that nobody has claimed; empty: none.
    task<core::result<std::string>> find_folder();
    std::string siblings() const;

    std::shared_ptr<record_target> target_;
    std::shared_ptr<record_folder> parent_;
    std::string path_, name_, mark_;
    std::string id_;
    bool known_ = false;  ///< the one that is always there
    async::once listed_;
    std::unordered_multimap<std::string, std::string> by_key_, by_identity_;  ///< to ids
};

std::unique_ptr<writer> make_record_writer(
    context& with, const kind& k, const record_format& format, const target& to
);
task<core::result<std::uint64_t>> read_back_records(
    context& with, const record_format& format, journal::written_folder where, bool last
);

}  // namespace m365stage::restore
