#include "restore/upload.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>

#include "async/timing.hpp"
#include "core/hash.hpp"
#include "restore/source_tree.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

// Failures without a byte of progress between them, after which an upload is given up for this run.
constexpr int upload_failures = 6;
// Of beginning it: each is several tries of the client.
constexpr int begin_failures = 3;
constexpr int most_sessions = 4;
// A session may not be visible yet right after it was made (contract Q108).
constexpr std::chrono::seconds session_pause{5};

core::error not_readable(const tree::stage_root& root, const std::string& path, int code) {
    return core::disk_error(code).during("read").on(root.path() + "/" + path);
}

/// Reads as much as there is, up to `size`.
core::result<std::size_t> read_at(
    const tree::stage_root& root, const std::string& path, int fd, std::byte* to, std::size_t size,
    std::int64_t at
) {
    for (;;) {
        const auto n = ::pread(fd, to, size, at);
        if (n >= 0) {
            return static_cast<std::size_t>(n);
        }
        if (errno != EINTR) {
            return not_readable(root, path, errno);
        }
    }
}

/// A part of a file as the body of a request.
class file_part final : public http::body_source {
public:
    file_part(
        const tree::stage_root& root, async::worker& disk, std::string path,
        std::shared_ptr<tree::unique_fd> fd, std::int64_t begin, std::int64_t size
    )
        : root_(root), disk_(disk), path_(std::move(path)), fd_(std::move(fd)), begin_(begin), size_(size) {}

    std::uint64_t size() const override { return static_cast<std::uint64_t>(size_); }
    void rewind() override { sent_ = 0; }

    task<core::result<std::span<const std::byte>>> read() override {
        buffer_.resize(file_piece);
        const auto wanted =
            static_cast<std::size_t>(std::min<std::int64_t>(size_ - sent_, std::ssize(buffer_)));
        auto work = [this, wanted] {
            return read_at(root_, path_, fd_->get(), buffer_.data(), wanted, begin_ + sent_);
        };
        auto got = co_await disk_.run(std::move(work));
        if (!got) {
            co_return got.error();
        }
        if (*got == 0 && wanted > 0) {
            co_return not_readable(root_, path_, ENODATA);
        }
        sent_ += static_cast<std::int64_t>(*got);
        co_return std::span<const std::byte>(buffer_.data(), *got);
    }

private:
    const tree::stage_root& root_;
    async::worker& disk_;
    std::string path_;
    std::shared_ptr<tree::unique_fd> fd_;
    std::int64_t begin_, size_, sent_ = 0;
    std::vector<std::byte> buffer_;
};

}  // namespace

std::optional<std::int64_t> next_expected(const std::string& body) {
    const auto answer = json::parse(body, nullptr, false);
    const auto* ranges = sources::member(answer, "nextExpectedRanges");
    if (ranges == nullptr || !ranges->is_array() || ranges->empty() || !ranges->front().is_string()) {
        return std::nullopt;
    }
    const auto first = ranges->front().get<std::string>();
    std::int64_t at = 0;
    auto [end, ec] = std::from_chars(first.data(), first.data() + first.size(), at);
    return ec == std::errc() && at >= 0 ? std::optional(at) : std::nullopt;
}

core::result<local_file> examine(const tree::stage_root& root, const std::string& path) {
    auto fd = root.open_file(path);
    if (!fd) {
        return fd.error();
    }
    local_file out;
    out.path = path;
    core::sha256 sha;
    core::quick_xor quick;
    std::vector<std::byte> buffer(file_piece);
    for (;;) {
        auto n = read_at(root, path, fd->get(), buffer.data(), buffer.size(), out.size);
        if (!n) {
            return n.error();
        }
        if (*n == 0) {
            break;
        }
        const std::span<const std::byte> bytes(buffer.data(), *n);
        sha.update(bytes);
        quick.update(bytes);
        out.size += static_cast<std::int64_t>(*n);
    }
    struct stat st{};
    if (::fstat(fd->get(), &st) != 0) {
        return not_readable(root, path, errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return core::error(core::error_kind::disk, "it is not a regular file");
    }
    out.inode = st.st_ino;
    out.mtime = st.st_mtim.tv_sec;
    out.sha256 = core::to_hex(sha.finish());
    out.quick_xor = quick.finish();
    return out;
}

/// One upload under way.
struct upload::state {
    state(const local_file& f, const upload_place& p) : file(f), place(p) {}
    const local_file& file;
    const upload_place& place;
    std::function<task<void>(std::string)> keep;
    std::function<void(std::int64_t)> moved;
    std::shared_ptr<tree::unique_fd> fd;
    std::string session;
    std::int64_t offset = 0;
    int sessions = 0;
    int failures = 0;                 ///< since the last progress
    std::optional<remote_item> item;  ///< set: it is there
};

task<core::result<remote_item>> upload::run(
    const local_file& file, const upload_place& place, std::string session,
    std::function<task<void>(std::string)> keep, std::function<void(std::int64_t)> moved
) {
    state s(file, place);
    s.keep = std::move(keep);
    s.moved = std::move(moved);
    s.session = std::move(session);
    auto opened = root_.open_file(file.path);
    if (!opened) {
        co_return opened.error();
    }
    s.fd = std::make_shared<tree::unique_fd>(std::move(*opened));
    if (!s.session.empty()) {
        auto known = co_await ask_progress(s);
        if (!known) {
            s.session.clear();
            co_await has_arrived(s);
        }
    }
    while (!s.item) {
        core::result<void> step;
        if (s.session.empty()) {
            step = co_await begin(s);
        } else {
            step = co_await send_fragment(s);
        }
        if (!step) {
            auto mended = co_await recover(s, step.error());
            if (!mended) {
                co_return mended.error();
            }
        }
    }
    co_await s.keep("");
    co_return std::move(*s.item);
}

task<core::result<void>> upload::begin(state& s) {
    core::error failed(core::error_kind::server, "its upload was broken off again and again");
    if (++s.sessions > most_sessions) {
        co_return std::move(failed).on(s.place.object);
    }
    auto call = s.place.calls.begin_upload(
        s.place.parent, s.place.name, s.place.replace, *s.place.info, s.place.object
    );
    auto answer = co_await graph_.get_json(std::move(call));
    if (!answer) {
        co_return answer.error();
    }
    const auto url = answer->find("uploadUrl");
    if (url == answer->end() || !url->is_string()) {
        core::error e(core::error_kind::protocol, "the service began an upload without an address");
        co_return std::move(e).on(s.place.object);
    }
    s.session = url->get<std::string>();
    s.offset = 0;
    co_await s.keep(s.session);
    co_return core::result<void>();
}

task<core::result<void>> upload::ask_progress(state& s) {
    graph::call call;
    call.target = s.session;
    call.preauthenticated = true;
    call.where = graph::scope(graph::service::sharepoint);
    call.resource_units = 0;
    call.object = s.place.object;
    auto answer = co_await graph_.send(std::move(call));
    if (!answer) {
        co_return answer.error();
    }
    const auto next = next_expected(answer->body);
    if (!next || *next >= s.file.size) {
        core::error e(core::error_kind::protocol, "the upload does not say how far it is");
        co_return std::move(e).on(s.place.object);
    }
    s.offset = *next;
    co_return core::result<void>();
}

task<core::result<void>> upload::send_fragment(state& s) {
    const auto size = std::min(fragment_bytes, s.file.size - s.offset);
    graph::call call;
    call.verb = http::method::put;
    call.target = s.session;
    call.preauthenticated = true;
    call.where = graph::scope(graph::service::sharepoint);
    call.resource_units = 0;
    call.object = s.place.object;
    call.fields.set(
        "Content-Range", "bytes " + std::to_string(s.offset) + "-" + std::to_string(s.offset + size - 1) +
                             "/" + std::to_string(s.file.size)
    );
    call.source = std::make_shared<file_part>(root_, disk_, s.file.path, s.fd, s.offset, size);
    auto answer = co_await graph_.send(std::move(call));
    if (!answer) {
        co_return answer.error();
    }
    s.failures = 0;
    s.moved(size);
    if (answer->status == 202) {
        const auto next = next_expected(answer->body);
        s.offset = next && *next < s.file.size ? *next : s.offset + size;
        co_return core::result<void>();
    }
    s.item = parse_remote_item(json::parse(answer->body, nullptr, false));
    if (!s.item) {
        co_await has_arrived(s);
    }
    if (!s.item) {
        core::error e(
            core::error_kind::protocol, "the service took the last part but does not have the file"
        );
        co_return std::move(e).on(s.place.object);
    }
    co_return core::result<void>();
}

/// Says how to go on after a failure; the error itself if there is no way.
task<core::result<void>> upload::recover(state& s, core::error failed) {
    using core::error_kind;
    const bool final = failed.kind == error_kind::conflict || failed.kind == error_kind::insufficient ||
                       failed.kind == error_kind::disk || failed.kind == error_kind::cancelled;
    // Before a session is there, the answer is about the request itself.
    const bool refused = s.session.empty() && !core::is_transient(failed.kind);
    const int most = s.session.empty() ? begin_failures : upload_failures;
    if (final || refused || ++s.failures >= most) {
        co_return failed;
    }
    if (s.session.empty()) {
        co_return core::result<void>();
    }
    // 416: the fragment is there already (its answer was lost). 404: the session ended with the file, or it
    // is not visible yet. Else the connection broke: the service knows how far it is.
    auto known = co_await ask_progress(s);
    if (known) {
        co_return core::result<void>();
    }
    const bool there = co_await has_arrived(s);
    if (there) {
        co_return core::result<void>();
    }
    if (known.error().kind == error_kind::not_found && s.offset == 0 && s.failures == 1) {
        auto& clock = async::system_timing();
        co_await clock.sleep_until(clock.now() + session_pause);
        co_return core::result<void>();
    }
    if (core::is_transient(known.error().kind)) {
        co_return core::result<void>();
    }
    s.session.clear();
    co_return core::result<void>();
}

task<bool> upload::has_arrived(state& s) {
    auto call = s.place.calls.child(s.place.parent, s.place.name, s.place.object);
    auto answer = co_await graph_.get_json(std::move(call));
    if (!answer) {
        co_return false;
    }
    auto item = parse_remote_item(*answer);
    if (!item || !item->file || item->size != s.file.size || item->hash != s.file.quick_xor) {
        co_return false;
    }
    s.item = std::move(item);
    co_return true;
}

}  // namespace m365stage::restore
