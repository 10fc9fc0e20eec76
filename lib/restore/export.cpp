#include "restore/export.hpp"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "core/hash.hpp"
#include "restore/kind.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

/// One export on its way.
class exporter {
public:
    exporter(
        const source_tree& tree, const request& asked, const tree::stage_root& to,
        const std::function<void(const std::string&, const std::string&)>& problem
    )
        : tree_(tree), asked_(asked), to_(to), problem_(problem), buffer_(file_piece) {}

    core::result<export_counts> run() {
        // Owners and containers keep the folders that they have in the tree.
        place top;
        top.from = tree_.start();
        top.to = tree_.is_part() ? "" : tree_.start();
        top.what = kind_of(top.from);
        todo_.push_back(std::move(top));
        while (!todo_.empty()) {
            const auto next = std::move(todo_.back());
            todo_.pop_back();
            if (auto done = take_folder(next); !done) {
                return done.error();
            }
        }
        return count_;
    }

private:
    struct place {
        std::string from, to;
        const kind* what = nullptr;  ///< of the container that it is in; nullptr: above containers
    };
    /// The one file that a folder becomes, while it is written.
    struct joint {
        std::unique_ptr<joined_file> how;
        std::string target, part;
        tree::unique_fd fd;
        core::sha256 sha;
        std::int64_t size = 0;
        std::uint64_t objects = 0;
    };

    /// The kind of what is in a folder, as the sidecars in it tell; nullptr: owners and containers.
    const kind* kind_of(const std::string& folder) const {
        auto names = tree_.names(folder);
        for (const auto& name : names ? *names : std::vector<source_tree::name_pair>()) {
            const auto o = tree_.read(folder, name);
            if (o.state == object_state::good && o.meta.type != "container") {
                return find_kind(o.meta.kind);
            }
        }
        return nullptr;
    }

    core::result<void> take_folder(const place& at) {
        joint one;
        if (at.what != nullptr) {
            one.how = at.what->join(asked_);
        }
        if (one.how) {
            const std::string leaf(leaf_of(at.to));
            const auto folder = at.to.substr(0, at.to.size() - leaf.size());
            one.target = folder + tree::local_name(leaf + one.how->ending(), at.from);
        }
        auto done = folder(at, one);
        if (done && one.objects > 0) {
            done = finish(one);
        }
        if (!done && one.fd) {
            (void)to_.remove_file(one.part);
        }
        return done;
    }

    core::result<void> folder(const place& at, joint& one) {
        auto names = tree_.names(at.from, asked_);
        if (!names) {
            left(at.from, core::describe(names.error()));
            return core::result<void>();
        }
        for (const auto& name : *names) {
            const auto o = tree_.read(at.from, name);
            core::result<void> done;
            if (o.folder && o.state != object_state::odd) {
                done = enter(at, o, one);
            } else if (asked_.selects(o.path)) {
                done = object_at(o, at.to, one);
            }
            if (!done) {
                return done;
            }
        }
        return core::result<void>();
    }

    core::result<void> enter(const place& at, const object& o, joint& one) {
        const bool good = o.state == object_state::good;
        place below;
        below.from = o.path;
        below.what = good && o.meta.type == "container" ? find_kind(o.meta.kind)
                     : !good && at.what == nullptr      ? kind_of(o.path)
                                                        : at.what;
        if (o.state == object_state::damaged_sidecar && (at.what == nullptr || asked_.selects(o.path))) {
            left(o.path, o.problem + "; its name on disk has to do");
        }
        const bool named = good && o.meta.type != "container";
        below.to = tree::join_path(at.to, named ? name_of(o) : o.local);
        if (one.how && at.what->is_transparent(o)) {
            below.to = at.to;
            return folder(below, one);
        }
        if (o.meta.type == "folder" && asked_.selects(o.path) && !one.how) {
            if (auto made = make_folders(below.to); !made) {
                return left_if_taken(o, made);
            }
        }
        todo_.push_back(std::move(below));
        return core::result<void>();
    }

    core::result<void> object_at(const object& o, const std::string& folder, joint& one) {
        if (o.state != object_state::good) {
            left(o.path, o.problem);
            return core::result<void>();
        }
        if (o.meta.type == "shortcut") {
            left(o.path, "a shortcut has no content");
            return core::result<void>();
        }
        if (one.how) {
            return append(o, one);
        }
        if (auto made = make_folders(folder); !made) {
            return left_if_taken(o, made);
        }
        return copy(o, tree::join_path(folder, name_of(o)));
    }

    joined_file::take taker(joint& one) {
        return [this, &one](std::string_view bytes) {
            const auto raw = std::as_bytes(std::span(bytes));
            one.sha.update(raw);
            one.size += std::ssize(bytes);
            return put_out(one.fd.get(), raw);
        };
    }

    /// One more object of a folder that becomes one file.
    core::result<void> append(const object& o, joint& one) {
        auto hash = digest(tree_.root(), o.path, -1);
        if (!hash || *hash != o.meta.sha256) {
            left_damaged(o, hash);
            return core::result<void>();
        }
        const auto take = taker(one);
        if (!one.fd) {
            const auto slash = one.target.rfind('/');
            const auto folder = slash == std::string::npos ? "" : one.target.substr(0, slash);
            if (auto made = make_folders(folder); !made) {
                return left_if_taken(o, made);
            }
            one.part = part_name(one.target);
            auto fd = to_.create(one.part);
            if (!fd) {
                return fd.error();
            }
            one.fd = std::move(*fd);
            if (auto begun = one.how->begin(take); !begun) {
                return begun;
            }
        }
        ++one.objects;
        return one.how->add(tree_, o, take);
    }

    core::result<void> finish(joint& one) {
        const auto take = taker(one);
        if (auto ended = one.how->end(take); !ended) {
            return ended;
        }
        const auto hash = core::to_hex(one.sha.finish());
        if (auto there = to_.look(one.target)) {
            auto same = there->regular && there->size == one.size ? digest(to_, one.target, -1)
                                                                  : core::result<std::string>(std::string());
            (void)to_.remove_file(one.part);
            if (same && *same == hash) {
                ++count_.present;
            } else {
                left(one.target, "another file of that name is there: it stays");
            }
            return core::result<void>();
        }
        if (auto placed = to_.rename_new(one.part, one.target); !placed) {
            return placed;
        }
        ++count_.files;
        count_.bytes += static_cast<std::uint64_t>(one.size);
        return core::result<void>();
    }

    /// The name in Microsoft 365 where Linux can hold it. Two of one name in a folder keep their tags.
    static std::string name_of(const object& o) {
        const bool kept = tree::local_name(o.meta.name, o.meta.id) == o.meta.name;
        return kept && o.local == o.meta.name ? o.meta.name : o.local;
    }

    core::result<void> make_folders(const std::string& path) {
        if (path.empty() || path == last_folder_) {
            return core::result<void>();
        }
        for (std::size_t at = path.find('/');; at = path.find('/', at + 1)) {
            const auto upper = path.substr(0, at);
            const auto there = to_.look(upper);
            const bool is_new = !there;
            if (there && !there->folder) {
                return core::error(
                           core::error_kind::conflict, "something that is no folder is there: it stays"
                )
                    .on(to_.path() + "/" + upper);
            }
            if (auto made = to_.make_folder(upper); !made) {
                return made.error();
            }
            count_.folders += is_new ? 1 : 0;
            if (at == std::string::npos) {
                break;
            }
        }
        last_folder_ = path;
        return core::result<void>();
    }

    /// A name that is taken concerns what would lie below it alone.
    core::result<void> left_if_taken(const object& o, const core::result<void>& made) {
        if (made.error().kind != core::error_kind::conflict) {
            return made;
        }
        left(o.path, core::describe(made.error()));
        return core::result<void>();
    }

    core::result<void> copy(const object& o, const std::string& target) {
        if (auto there = to_.look(target)) {
            compare(o, target, *there);
            return core::result<void>();
        }
        const auto part = part_name(target);
        auto out = to_.create(part);
        if (!out) {
            return out.error();
        }
        auto hash = digest(tree_.root(), o.path, out->get());
        if (!hash || *hash != o.meta.sha256) {
            (void)to_.remove_file(part);
            if (!written_) {
                return written_;
            }
            left_damaged(o, hash);
            return core::result<void>();
        }
        if (auto timed = to_.set_mtime(part, times_of_file(o)); !timed) {
            return timed;
        }
        if (auto placed = to_.rename_new(part, target); !placed) {
            (void)to_.remove_file(part);
            left(o.path, core::describe(placed.error()));
            return core::result<void>();
        }
        ++count_.files;
        count_.bytes += static_cast<std::uint64_t>(o.size);
        return core::result<void>();
    }

    /// Whole or not at all: under another name first.
    static std::string part_name(const std::string& target) {
        const auto slash = target.rfind('/');
        return tree::join_path(
            slash == std::string::npos ? "" : target.substr(0, slash),
            ".m365stage-export." + std::to_string(::getpid())
        );
    }

    core::unix_seconds times_of_file(const object& o) const {
        auto facts = tree_.root().look(o.path);
        return facts ? facts->mtime : 0;
    }

    void compare(const object& o, const std::string& target, const tree::file_facts& there) {
        auto hash = there.regular && there.size == o.meta.size ? digest(to_, target, -1)
                                                               : core::result<std::string>(std::string());
        if (hash && *hash == o.meta.sha256) {
            ++count_.present;
        } else {
            left(o.path, "another file of that name is there: it stays");
        }
    }

    /// SHA-256 of a file; its bytes go to `copy` as well, unless that is -1. What failed there is in
    /// `written_` too: it concerns more than this file.
    core::result<std::string> digest(const tree::stage_root& root, const std::string& path, int copy) {
        auto in = root.open_file(path);
        if (!in) {
            return in.error();
        }
        core::sha256 sha;
        for (;;) {
            const auto n = ::read(in->get(), buffer_.data(), buffer_.size());
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n < 0) {
                return core::disk_error(errno).during("read").on(root.path() + "/" + path);
            }
            if (n == 0) {
                return core::to_hex(sha.finish());
            }
            const std::span<const std::byte> bytes(buffer_.data(), static_cast<std::size_t>(n));
            sha.update(bytes);
            if (auto written = copy < 0 ? core::result<void>() : put_out(copy, bytes); !written) {
                return written.error();
            }
        }
    }

    core::result<void> put_out(int fd, std::span<const std::byte> bytes) {
        for (std::size_t at = 0; at < bytes.size();) {
            const auto sent = ::write(fd, bytes.data() + at, bytes.size() - at);
            if (sent < 0 && errno != EINTR) {
                written_ = core::disk_error(errno).during("write").on(to_.path());
                return written_;
            }
            at += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
        }
        return core::result<void>();
    }

    /// A file whose hash is another one, or that can't be read.
    void left_damaged(const object& o, const core::result<std::string>& hash) {
        left(
            o.path, hash ? "its bytes are not those that its sidecar tells: this copy is damaged"
                         : "it can't be read: " + hash.error().cause
        );
    }

    void left(const std::string& path, const std::string& why) {
        ++count_.failed;
        problem_(path, why);
    }

    const source_tree& tree_;
    const request& asked_;
    const tree::stage_root& to_;
    const std::function<void(const std::string&, const std::string&)>& problem_;
    std::vector<std::byte> buffer_;
    std::vector<place> todo_;
    std::string last_folder_;
    core::result<void> written_;
    export_counts count_;
};

}  // namespace

core::result<export_counts> export_files(
    const source_tree& tree, const request& asked, const tree::stage_root& to,
    const std::function<void(const std::string& path, const std::string& why)>& problem
) {
    exporter e(tree, asked, to, problem);
    return e.run();
}

}  // namespace m365stage::restore
