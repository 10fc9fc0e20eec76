#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "async/task.hpp"
#include "core/error.hpp"
#include "core/time.hpp"
#include "index/store.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::restore {

using async::task;

// Stored in journals: do not renumber.
enum class outcome {
    open = 0,      ///< not tried, or to be tried again
    intended = 1,  ///< may have been written: look before writing again
    done = 2,      ///< written by us
    present = 3,   ///< the same was there already
    skipped = 4,   ///< left out because the conflict rule says so
    failed = 5,
};

/// What is known of putting one object back.
struct entry {
    entry() = default;
    std::string kind;  ///< for the report: "file", "folder", "message", ...
    outcome state = outcome::open;
    std::string mark;     ///< of the sidecar that it was done for
    std::string target;   ///< the drive or mailbox that it goes into
    std::string parent;   ///< remote id of the folder it goes into
    std::string name;     ///< the name it got
    std::string id;       ///< remote id it got
    std::string session;  ///< secret: address of an upload that was begun
    std::string detail;   ///< why it was skipped or failed
    std::int64_t size = 0;
    std::string hash;  ///< quickXorHash of the bytes
    core::unix_seconds mtime = 0;
    bool compared = false;  ///< with what is there, after it was put there
};

/// Counts of one kind, for the report.
struct tally {
    std::uint64_t done = 0, present = 0, skipped = 0, failed = 0, open = 0;
};

/// What a restore has done, in a folder of its own, so that it can be interrupted at any moment and goes on
/// where it was. Journals hold addresses of uploads, which are secrets: the files are 0600.
/// Errors:  the calls throw core::fatal (disk, index) as the index does.
/// Threads: the network thread; the database has a thread of its own.
class journal {
public:
    /// Opens or makes the journal of the restore `tag` below `folder`, and locks it.
    /// Errors: busy (the same restore is running), disk.
    static core::result<std::unique_ptr<journal>> open(const std::string& folder, const std::string& tag);

    /// One of the values that the restore chose and must keep: names of new folders, its start.
    std::string info(const std::string& key);
    void set_info(const std::string& key, const std::string& value);

    /// True if a run before this one wrote into it.
    bool goes_on() const { return run_ > 1; }

    /// The entry of an object; one of another version of it (`mark`) counts as none.
    task<entry> find(std::string path, std::string mark);
    /// Writes the entry; it counts as seen in this run.
    task<void> put(std::string path, entry e);

    /// Nothing is known of it any more.
    task<void> forget(std::string path);

    /// Entries whose path begins so (it is not empty): those of an object's parts.
    task<std::vector<std::pair<std::string, entry>>> below(std::string prefix);

    /// The folders that something was put into in this run, and what it was. For reading back.
    struct written_folder {
        written_folder(std::string t, std::string p) : target(std::move(t)), parent(std::move(p)) {}
        std::string target, parent;
    };
    task<std::vector<written_folder>> written_folders();
    task<std::vector<std::pair<std::string, entry>>> written_in(written_folder where);

    /// True if another object of this restore has this remote id, so that it is not ours.
    task<bool> is_used(std::string id, std::string path);

    /// Bytes that any run has put into this target.
    task<std::uint64_t> bytes_written(std::string target);

    /// What a folder of the target held before something was put into it, for kinds whose objects have no
    /// names: on disk, so that memory does not grow with the folder. Forgotten with the next run.
    struct there {
        there() = default;
        std::string key;    ///< what it is looked up by; one object may have several
        std::string id;     ///< remote id
        std::string facts;  ///< what the kind wants to know of it
    };
    task<void> add_there(std::string folder, std::vector<there> found);
    task<std::vector<there>> find_there(std::string folder, std::string key);

    task<std::map<std::string, tally>> tallies();
    /// What was skipped or failed in this run, sorted by path.
    task<void> each_left(std::function<void(const std::string& path, const entry& e)> take);

private:
    journal() = default;
    std::unique_ptr<tree::stage_root> folder_;
    tree::unique_fd lock_;
    std::unique_ptr<index::store> store_;
    std::int64_t run_ = 1;
};

}  // namespace m365stage::restore
