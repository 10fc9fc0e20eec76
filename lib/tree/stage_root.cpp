#include "tree/stage_root.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace m365stage::tree {
namespace {

// Well below PATH_MAX, so that a path and the name behind it always fit into one call.
constexpr std::size_t longest_direct_path = 3000;

core::result<void> done() {
    return core::result<void>();
}

file_facts facts_of(const struct stat& st) {
    file_facts f;
    f.inode = st.st_ino;
    f.size = st.st_size;
    f.mtime = st.st_mtim.tv_sec;
    f.folder = S_ISDIR(st.st_mode);
    f.regular = S_ISREG(st.st_mode);
    return f;
}

/// A folder below `at`; no name on the way may be a symbolic link. Where the kernel or a sandbox does not
/// have openat2(2), the last name alone is held to that.
int open_folder(int at, const std::string& path) {
    constexpr int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    open_how how{};
    how.flags = flags;
    how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
    const auto fd = static_cast<int>(::syscall(SYS_openat2, at, path.c_str(), &how, sizeof how));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        return ::openat(at, path.c_str(), flags);
    }
    return fd;
}

/// What is missing or in the way of the root itself is the disk's fault, not an object's that may come and
/// go.
core::error as_disk(core::error e) {
    e.kind = core::error_kind::disk;
    return e;
}

std::string advice_without_root(const std::string& path) {
    namespace fs = std::filesystem;
    for (fs::path at = path; at != at.parent_path(); at = at.parent_path()) {
        std::error_code ec;
        if (fs::is_symlink(fs::symlink_status(at, ec)) && !fs::exists(at, ec)) {
            return at.string() + " is a link to " + fs::read_symlink(at, ec).string() +
                   ", which is not there: is its disk mounted?";
        }
    }
    return "stage.root is not there and can't be made: is its disk mounted, and may this user write there?";
}

}  // namespace

std::string why_no_root(const std::string& path) {
    namespace fs = std::filesystem;
    for (fs::path at = path;; at = at.parent_path()) {
        std::error_code ec;
        const auto status = fs::status(at, ec);
        if (!fs::exists(status) && !fs::is_symlink(fs::symlink_status(at, ec)) && at != at.parent_path()) {
            continue;
        }
        struct statvfs st{};
        const bool room = ::statvfs(at.c_str(), &st) == 0 && st.f_blocks > 0;  // /proc has no blocks
        return room && fs::is_directory(status) && ::access(at.c_str(), W_OK | X_OK) == 0
                   ? std::string()
                   : advice_without_root(path);
    }
}

unique_fd& unique_fd::operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

unique_fd::~unique_fd() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

core::error stage_root::fail(std::string_view what, const std::string& path, int code) const {
    core::error_kind kind = core::error_kind::disk;
    if (code == ENOENT) {
        kind = core::error_kind::not_found;
    } else if (code == EEXIST || code == ENOTEMPTY) {
        kind = core::error_kind::conflict;
    }
    core::error e(kind, std::strerror(code));
    e.operation = std::string(what);
    e.object = path_ + "/" + path;
    if (code == ENOSPC || code == EDQUOT) {
        e.hint = "the disk of stage.root is full: free some space; nothing is lost, the next pass goes on";
    } else if (code == EROFS || code == EACCES || code == EPERM) {
        e.hint = "stage.root must be writable for the service's user";
    }
    return e;
}

core::result<std::unique_ptr<stage_root>> stage_root::open(const std::string& path, root_options options) {
    std::unique_ptr<stage_root> root(new stage_root);
    root->path_ = path;
    while (root->path_.size() > 1 && root->path_.back() == '/') {
        root->path_.pop_back();
    }
    root->options_ = options;
    std::error_code ec;
    if (!std::filesystem::exists(path, ec) && std::filesystem::create_directories(path, ec)) {
        // Readable for the group that may back it up, for nobody else.
        std::filesystem::permissions(path, std::filesystem::perms(0750), ec);
        if (options.group && ::chown(path.c_str(), static_cast<uid_t>(-1), *options.group) != 0) {
            return root->fail("set the group of", "", errno);
        }
    }
    root->root_ = unique_fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root->root_) {
        const int code = errno;
        auto e = as_disk(root->fail("open", "", code));
        e.hint = code == ENOENT ? advice_without_root(path) : e.hint;
        return e;
    }
    struct stat top{};
    if (::fstat(root->root_.get(), &top) != 0) {
        return root->fail("look at", "", errno);
    }
    if (::geteuid() == 0 && top.st_uid != 0) {
        root->owner_ = top.st_uid;
        root->options_.group = root->options_.group.value_or(top.st_gid);
    }
    for (const char* folder : {"tree", "spool"}) {
        if (auto made = root->make_folder(folder); !made) {
            return as_disk(made.error());
        }
    }
    struct stat tree{};
    struct stat spool{};
    if (::fstatat(root->root_.get(), "tree", &tree, 0) != 0 ||
        ::fstatat(root->root_.get(), "spool", &spool, 0) != 0) {
        return root->fail("look at", "tree", errno);
    }
    if (auto given = root->give_to_owner("spool"); !given) {
        return given.error();
    }
    root->spool_ = unique_fd(open_folder(root->root_.get(), "spool"));
    if (!root->spool_) {
        return root->fail("open", "spool", errno);
    }
    if (tree.st_dev != spool.st_dev) {
        core::error e(core::error_kind::usage, "tree/ and spool/ are on different file systems");
        e.object = path;
        e.hint = "files are renamed from spool/ into tree/: mount one file system at stage.root";
        return e;
    }
    return root;
}

core::result<std::unique_ptr<stage_root>> stage_root::open_copy(const std::string& path) {
    std::unique_ptr<stage_root> root(new stage_root);
    root->path_ = path;
    while (root->path_.size() > 1 && root->path_.back() == '/') {
        root->path_.pop_back();
    }
    root->root_ = unique_fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root->root_) {
        return core::disk_error(errno).during("open").on(path);
    }
    return root;
}

core::result<unique_fd> stage_root::lock() {
    unique_fd fd(::openat(root_.get(), ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) {
        return fail("lock", ".lock", errno);
    }
    if (auto given = give_to_owner(".lock"); !given) {
        return given.error();
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        std::array<char, 64> text{};
        const auto size = ::pread(fd.get(), text.data(), text.size() - 1, 0);
        core::error e(
            core::error_kind::busy,
            "another m365stage works on it" +
                (size > 0 ? " (process " + std::string(text.data()) + ")" : std::string())
        );
        e.object = path_;
        e.hint = "wait for it to end, or stop the service";
        return e;
    }
    const std::string pid = std::to_string(::getpid());
    if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
        return fail("write", ".lock", errno);
    }
    return fd;
}

core::result<void> stage_root::give_to_owner(const std::string& path) const {
    if (::geteuid() != 0) {
        return done();
    }
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    struct stat mine{};
    struct stat top{};
    if (::fstat(root_.get(), &top) != 0 ||
        ::fstatat(at->folder, at->leaf.c_str(), &mine, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail("look at", path, errno);
    }
    const bool needed = mine.st_uid == 0 && top.st_uid != 0;
    if (needed &&
        ::fchownat(at->folder, at->leaf.c_str(), top.st_uid, top.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail("set the owner of", path, errno);
    }
    return done();
}

core::result<stage_root::place> stage_root::locate(const std::string& path) const {
    place p;
    if (path.find('/') == std::string::npos) {
        p.folder = root_.get();
        p.leaf = path;
        return p;
    }
    std::size_t from = 0;
    int folder = root_.get();
    constexpr std::string_view spool = "spool/";
    if (spool_ && path.starts_with(spool)) {  // half of all calls; no service has a hand in this name
        folder = p.folder = spool_.get();
        from = spool.size();
    }
    while (path.find('/', from) != std::string::npos) {
        const auto slash = path.rfind('/', from + longest_direct_path);
        if (slash == std::string::npos || slash <= from) {
            return fail("open", path, ENAMETOOLONG);
        }
        unique_fd next(open_folder(folder, path.substr(from, slash - from)));
        if (!next) {
            return fail("open", path, errno);
        }
        p.held = std::move(next);
        folder = p.held.get();
        from = slash + 1;
    }
    p.folder = folder;
    p.leaf = from < path.size() ? path.substr(from) : ".";  // "tree/" is the folder itself
    return p;
}

core::result<file_facts> stage_root::look(const std::string& path) const {
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    struct stat st{};
    if (::fstatat(at->folder, at->leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail("look at", path, errno == ENOTDIR ? ENOENT : errno);
    }
    return facts_of(st);
}

core::result<void> stage_root::rename(
    const std::string& from, const std::string& to, int folder, const std::string& leaf
) const {
    auto source = locate(from);
    if (!source) {
        return source.error();
    }
    if (::renameat(source->folder, source->leaf.c_str(), folder, leaf.c_str()) != 0) {
        auto e = fail("rename", from, errno);
        e.object += " to " + to;
        return e;
    }
    return done();
}

core::result<void> stage_root::rename(const std::string& from, const std::string& to) const {
    auto target = locate(to);
    if (!target) {
        return target.error();
    }
    return rename(from, to, target->folder, target->leaf);
}

core::result<void> stage_root::rename(const std::string& from, const std::string& to, open_folders& folders)
    const {
    const auto slash = to.rfind('/');
    const auto path = std::string_view(to).substr(0, slash);
    for (const auto& known : folders.entries_) {
        if (known.fd && known.path == path) {
            return rename(from, to, known.fd.get(), to.substr(slash + 1));
        }
    }
    auto target = locate(to);
    if (!target) {
        return target.error();
    }
    auto renamed = rename(from, to, target->folder, target->leaf);
    if (target->held) {
        auto& entry = folders.entries_[folders.oldest_];
        folders.oldest_ = (folders.oldest_ + 1) % folders.entries_.size();
        entry.path = path;
        entry.fd = std::move(target->held);
    }
    return renamed;
}

core::result<void> stage_root::rename_new(const std::string& from, const std::string& to) const {
    auto source = locate(from);
    if (!source) {
        return source.error();
    }
    auto target = locate(to);
    if (!target) {
        return target.error();
    }
    if (::renameat2(
            source->folder, source->leaf.c_str(), target->folder, target->leaf.c_str(), RENAME_NOREPLACE
        ) == 0) {
        return done();
    }
    // Some file systems don't know the flag: look, then rename.
    if (errno == EINVAL && !look(to)) {
        return rename(from, to);
    }
    return fail("make", to, errno == EINVAL ? EEXIST : errno);
}

core::result<void> stage_root::make_folder(const std::string& path) const {
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    if (::mkdirat(at->folder, at->leaf.c_str(), options_.folder_mode) != 0) {
        if (errno != EEXIST) {
            return fail("make folder", path, errno);
        }
        struct stat st{};
        if (::fstatat(at->folder, at->leaf.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode)) {
            return fail("make folder", path, EEXIST);
        }
        return done();  // neither mode nor group of what exists is touched: ctime must not move
    }
    if (options_.group &&
        ::fchownat(at->folder, at->leaf.c_str(), owner_, *options_.group, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail("set the owner or group of", path, errno);
    }
    return done();
}

core::result<void> stage_root::remove_empty_folder(const std::string& path) const {
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    if (::unlinkat(at->folder, at->leaf.c_str(), AT_REMOVEDIR) != 0 && errno != ENOTEMPTY &&
        errno != ENOENT && errno != EEXIST) {
        return fail("remove folder", path, errno);
    }
    return done();
}

core::result<void> stage_root::remove_file(const std::string& path) const {
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    if (::unlinkat(at->folder, at->leaf.c_str(), 0) != 0 && errno != ENOENT) {
        return fail("remove", path, errno);
    }
    return done();
}

core::result<void> stage_root::remove_all(const std::string& path) const {
    auto facts = look(path);
    if (!facts) {
        return facts.error().kind == core::error_kind::not_found ? done() : core::result<void>(facts.error());
    }
    if (!facts->folder) {
        return remove_file(path);
    }
    auto names = list(path);
    if (!names) {
        return names.error();
    }
    for (const auto& name : *names) {
        if (auto removed = remove_all(path + "/" + name); !removed) {
            return removed;
        }
    }
    return remove_empty_folder(path);
}

core::result<void> stage_root::set_mtime(const std::string& path, core::unix_seconds t) const {
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{t, 0}};
    if (::utimensat(at->folder, at->leaf.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        return fail("set the time of", path, errno);
    }
    return done();
}

core::result<unique_fd> stage_root::create(const std::string& path) const {
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    unique_fd fd(::openat(
        at->folder, at->leaf.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, options_.file_mode
    ));
    if (!fd) {
        return fail("create", path, errno);
    }
    if (options_.group && ::fchown(fd.get(), owner_, *options_.group) != 0) {
        return fail("set the owner or group of", path, errno);
    }
    return fd;
}

core::result<unique_fd> stage_root::open_file(const std::string& path) const {
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    unique_fd fd(::openat(at->folder, at->leaf.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
        return fail("open", path, errno);
    }
    return fd;
}

core::result<void> stage_root::write_all(
    const unique_fd& file, const std::string& path, std::string_view text
) const {
    while (!text.empty()) {
        const auto n = ::write(file.get(), text.data(), text.size());
        if (n < 0 && errno != EINTR) {
            return fail("write", path, errno);
        }
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    }
    return core::result<void>();
}

core::result<void> stage_root::write_file(const std::string& path, std::string_view text) const {
    auto fd = create(path);
    if (!fd) {
        return fd.error();
    }
    return write_all(*fd, path, text);
}

core::result<std::string> stage_root::read_file(const std::string& path, std::size_t limit) const {
    auto fd = open_file(path);
    if (!fd) {
        return fd.error();
    }
    std::string out;
    std::array<char, 16384> buffer;
    for (;;) {
        const auto n = ::read(fd->get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail("read", path, errno);
        }
        if (n == 0) {
            return out;
        }
        out.append(buffer.data(), static_cast<std::size_t>(n));
        if (out.size() > limit) {
            core::error e(core::error_kind::too_large, "larger than " + std::to_string(limit) + " bytes");
            e.object = path_ + "/" + path;
            return e;
        }
    }
}

core::result<std::vector<std::string>> stage_root::list(const std::string& path) const {
    auto at = locate(path);
    if (!at) {
        return at.error();
    }
    const int fd = ::openat(at->folder, at->leaf.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return fail("list", path, errno);
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(fd), &::closedir);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(folder.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

core::result<void> stage_root::barrier() const {
    if (::syncfs(root_.get()) != 0) {
        return fail("sync", "", errno);
    }
    return done();
}

core::result<std::uint64_t> stage_root::free_bytes() const {
    struct statvfs st{};
    if (::fstatvfs(root_.get(), &st) != 0) {
        return fail("look at", "", errno);
    }
    return static_cast<std::uint64_t>(st.f_bavail) * st.f_frsize;
}

}  // namespace m365stage::tree
