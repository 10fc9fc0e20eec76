#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "restore/context.hpp"

/// What a kind of data (drives, mail, calendars, ...) brings to a restore. Everything else is shared: finding
/// the tree, the plan, the walk over a container (`walk.hpp`), the journal, reading back (`read_back.hpp`),
/// report and export. lib/README.md, "Adding a kind to restore", is the guide.
namespace m365stage::restore {

/// A place as a person names it with --to.
struct place {
    place() = default;
    std::string owner_kind;         ///< "user" | "group" | "site"
    std::string owner;              ///< UPN, mail nickname, or host/path of the site
    std::vector<std::string> rest;  ///< what follows: "onedrive", "Reports", "2025"
};

/// The place in Microsoft 365 that a container goes into.
struct target {
    target() = default;
    std::string id;                    ///< of the drive, or of the mailbox' owner
    std::string root;                  ///< remote id of the folder at its top, for kinds that have one
    std::string label;                 ///< for people: "users/ann@contoso.com/onedrive"
    std::vector<std::string> below;    ///< names of folders that it goes into, made if they are not there
    std::optional<std::int64_t> room;  ///< bytes that are left; nullopt: the service does not say
    bool origin = false;               ///< it is the very place that the container was staged from
};

/// What an object costs, or all of them.
struct effort {
    effort() = default;
    std::uint64_t requests = 0, units = 0, bytes = 0;
    std::uint64_t rights = 0;  ///< permissions of single items, if they are asked for
    effort& operator+=(const effort& more);
};

/// What is done with an object, decided by its metadata alone.
struct decision {
    enum class what { put, skip_quietly, cannot } action = what::put;
    std::string why;
    static decision cannot(std::string why);
    static decision left_out(std::string why);  ///< by an option: not even counted
};

/// Whether the token's application permissions are enough (contract 9).
struct role_check {
    role_check() = default;
    std::string obstacle;            ///< nothing can be written, and what has to be granted; empty: it can
    std::vector<std::string> notes;  ///< what may be refused
};

/// A folder of the target. It is made (or found) when something has to go into it.
class target_folder {
public:
    virtual ~target_folder() = default;
    /// Makes it, and the folders above, unless they are there. Many may wait for one.
    virtual task<core::result<void>> ensure() = 0;
    /// True for one that is not worth making while nothing goes into it.
    virtual bool only_with_content() const { return false; }
};
using folder_ptr = std::shared_ptr<target_folder>;

/// Puts what the walk finds in one container into its target. Several calls of `put` run at a time
/// (`kind::at_once`), all on the network thread.
class writer {
public:
    virtual ~writer() = default;

    /// The folder for what lies in the container itself; those of `target::below` are above it.
    virtual folder_ptr top() = 0;

    /// The folder for what lies in `o`, a folder of the tree, which may have no sidecar. Makes nothing yet.
    /// `above` itself where the folder is one of our own making (mail's months).
    virtual folder_ptr inside(folder_ptr above, const object& o) = 0;

    /// The folder of `o` is there; what else belongs to it may be put to it.
    virtual task<void> decorate(folder_ptr, const object&) { co_return; }

    /// Puts an object into a folder and writes into the journal what became of it: `intended` before
    /// anything is sent, with all that a later run needs to find it, and `done` when it is there whole.
    /// Errors: only those after which nothing else can be put either (`ends_all`).
    virtual task<core::result<void>> put(folder_ptr into, const object& o) = 0;
};

/// One file of an export in place of all the objects of a folder: an mbox, a calendar's .ics.
/// Threads: the caller's.
class joined_file {
public:
    using take = std::function<core::result<void>(std::string_view bytes)>;
    virtual ~joined_file() = default;
    virtual std::string ending() const = 0;  ///< ".mbox"
    virtual core::result<void> begin(const take&) { return core::result<void>(); }
    /// An object whose bytes were compared with its sidecar. Errors: those of `write`, and the object's own.
    virtual core::result<void> add(const source_tree& tree, const object& o, const take& write) = 0;
    virtual core::result<void> end(const take&) { return core::result<void>(); }
};

/// One kind of data. Stateless; what is no task is pure.
class kind {
public:
    virtual ~kind() = default;
    virtual std::string_view name() const = 0;  ///< as in sidecars: "drive", "mail"

    // Plan.
    virtual std::string word_for(const object& o) const = 0;  ///< in reports: "file", "message"
    virtual decision judge(const object& o, const request& asked) const = 0;
    /// Names of parts that the target may lack or refuse whatever the object is ("Status", a column).
    virtual std::vector<std::string> parts_of(const object&) const { return {}; }
    virtual effort effort_of(const object& o, const request& asked) const = 0;
    virtual role_check check_roles(const std::vector<std::string>& roles, const request& asked) const = 0;
    /// Targets with one key share their limits; `seconds` is the least time that the service's limits allow.
    virtual std::string limit_key(const target& to) const = 0;
    /// Whose pauses hold it up; a mailbox', unless a kind says otherwise.
    virtual graph::scope scope_of(const target& to) const;
    virtual double seconds(const graph::client& graph, const effort& all) const = 0;

    // Targets.
    /// Looks up what --to names. Errors: usage (such a place holds nothing of this kind), not_found, and what
    /// the service says.
    virtual task<core::result<target>> find(graph::client& graph, place where) const = 0;
    /// What the container came from, or the present one of its owner; `note` tells if it is another one.
    virtual task<core::result<target>> find_origin(
        graph::client& graph, const container& from, std::string& note
    ) const = 0;
    /// True if the last but one of `to.below` (or the top) has something called `name`.
    virtual task<core::result<bool>> is_taken(context& with, const target& to, const std::string& name)
        const = 0;
    /// Of these parts (`parts_of`), those that can't be put there, with the reason. Errors: those of the
    /// service.
    virtual task<core::result<std::map<std::string, std::string>>> judge_parts(
        context& with, const target& to, std::vector<std::string> parts
    ) const;

    // Doing.
    virtual int at_once() const = 0;  ///< objects of one container at a time
    virtual std::unique_ptr<writer> begin(context& with, const container& from, const target& to) const = 0;
    /// Reads a folder that something was put into in this run (entries `done` and `present`), and compares.
    /// What is missing becomes `open`, to be put back once more, or `failed` if this was the `last` look;
    /// what is different is mended where that is allowed, or `failed`. Returns how many are open.
    /// Errors: those that concern everything.
    virtual task<core::result<std::uint64_t>> read_back(
        context& with, const journal::written_folder& where, bool last
    ) const = 0;

    // Export.
    /// The one file that a folder becomes; nullptr: each object is a file of its own.
    virtual std::unique_ptr<joined_file> join(const request&) const { return nullptr; }
    /// True for a folder of our own making: what is in it belongs to the folder above.
    virtual bool is_transparent(const object&) const { return false; }
};

/// All kinds that can be put back. Adding one is a line here.
const std::vector<std::unique_ptr<kind>>& all_kinds();
/// nullptr if there is none of that name.
const kind* find_kind(std::string_view name);

std::unique_ptr<kind> make_drive_kind();
std::unique_ptr<kind> make_mail_kind();
std::unique_ptr<kind> make_calendar_kind();
std::unique_ptr<kind> make_settings_kind();

/// The target of a container in journals: the kind is part of it, since kinds are read back each by itself.
std::string journal_target(const kind& k, const target& to);
/// What `journal_target` made of it: the kind, and the id of the target.
std::pair<const kind*, std::string> parse_journal_target(const std::string& text);

/// Reads "users/x@y[/...]", "groups/nick[/...]", "sites/host/path[/...]". Errors: usage.
core::result<place> parse_place(const std::string& text);

/// The folder in the tree that a kind's containers have for an owner ("onedrive", "mail"): takes it off the
/// front of `where.rest` if it is there. Errors: usage, if another kind's stands there, or the owner can't
/// have such a thing (`owners`).
core::result<void> take_container_name(
    place& where, std::string_view own, std::initializer_list<std::string_view> owners
);

/// True for a folder whose content is looked at, whatever is said of the folder itself: what is in it has
/// sidecars of its own. What a notebook holds is a part of it.
bool is_entered(const object& o);

/// What no kind can put back: `cannot` for objects that are not good; nullopt: the kind decides.
std::optional<decision> judge_state(const object& o);

/// What --as-of says to an object by its `createdDateTime` and `lastModifiedDateTime`; nullopt: nothing.
/// `by_file`: where no sidecar tells when it was changed, its file does, which has the time of the item.
std::optional<decision> judge_as_of(const object& o, const request& asked, bool by_file = false);

/// True for what no other object would do better with: no room, sign-in refused, stopped.
bool ends_all(const core::error& e);

/// True for what the next containers would not do better with either.
bool ends_restore(const core::error& e);

/// What a report says of an error beside the object's name: everything but the object.
std::string reason_of(const core::error& why);
/// The same beside `path`, which is not told twice.
std::string reason_at(const std::string& path, const core::error& why);

/// Writes into the journal what became of an object, and counts it.
task<void> note(context& with, std::string path, entry e, outcome state, std::string why);

/// The same for a failure: what may be better at the next run stays as it is in the journal (`open` or
/// `intended`), with the reason; the rest is `failed`. Returns the error if it ends everything. Throws as
/// `stop_if_away`.
task<core::result<void>> note_failure(context& with, std::string path, entry e, core::error why);

/// Throws core::fatal, which also stops what is under way, if this failure of an object is one of many behind
/// which no answer of the service came any more.
void stop_if_away(context& with, const core::error& why);

/// `entry::hash` of a part that no other try would put back.
inline constexpr std::string_view never_again = "never";

/// What is told of a folder's or a container's own sidecar stands beside what became of the folder.
std::string sidecar_part(const std::string& path);

/// The parts that an earlier run wrote down of an object that is done. If one of them may do better at
/// another try, all that failed are open and the object has to be put again (true); otherwise they belong to
/// this run's report as they are.
task<bool> reopen_parts(context& with, std::string path);

/// The object was put again: what nobody wrote of since `reopen_parts` is there.
task<void> close_parts(context& with, std::string path);

/// An entry whose object is not there any more as it was put there: `open`, to be put there once more, or
/// `failed` at the last look. Returns 1 if it is open.
task<std::uint64_t> note_open(context& with, std::string path, entry e, std::string why, bool last);
/// The same for one that is gone.
task<std::uint64_t> note_gone(context& with, std::string path, entry e, bool last);

/// The least time that what one app may do to one mailbox allows (contract 3.3).
double mailbox_seconds(const effort& all);

/// True if one of these is among the roles.
bool has_any(const std::vector<std::string>& roles, std::initializer_list<std::string_view> wanted);

/// Names compare without regard to the case of ASCII letters, as the service compares them (it folds more;
/// what this misses, a conflict of the service tells).
std::string folded(std::string_view name);

/// "a.txt" as "a (restored).txt", "a (restored 2).txt", ...
std::string restored_name(const std::string& name, int number);

/// The names of a path.
std::vector<std::string> split_path(const std::string& text);

}  // namespace m365stage::restore
