#include "sync/run/spool_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include "async/event.hpp"
#include "http/decoding_sink.hpp"
#include "http/range.hpp"

namespace m365stage::sync {
namespace {

constexpr std::size_t longest_piece = 256u << 10;
constexpr std::size_t first_piece = 64u << 10;  // if the length is not known
// The disk begins early with what is to be durable in the end.
constexpr std::int64_t write_back_bytes = 8 << 20;
using clock = std::chrono::steady_clock;

}  // namespace

/// What the file work needs; it runs on another thread, one piece at a time.
struct spool_file::shared {
    shared(const tree::stage_root& r, async::worker& d, std::string n)
        : root(r), disk(d), path("spool/" + std::move(n)) {}
    const tree::stage_root& root;
    async::worker& disk;
    std::string path;
    tree::unique_fd fd;
    core::sha256 sha;
    core::quick_xor quick;
    std::int64_t written = 0;     ///< bytes given to the writer
    std::int64_t on_its_way = 0;  ///< of `written`, what the disk was told to begin with
    bool writing = false;
    piece spare;  ///< what the writer is done with
    std::optional<core::error> failure;
    std::unique_ptr<async::event> idle;
    std::chrono::nanoseconds busy{0};

    core::result<void> write(const piece& from) {
        std::string_view bytes(from.bytes.get(), from.size);
        const auto start = clock::now();
        if (!fd) {
            auto made = root.create(path);
            if (!made) {
                return made.error();
            }
            fd = std::move(*made);
        }
        const auto view = std::as_bytes(std::span(bytes));
        sha.update(view);
        quick.update(view);
        while (!bytes.empty()) {
            const auto n = ::write(fd.get(), bytes.data(), bytes.size());
            if (n < 0 && errno != EINTR) {
                auto e = core::disk_error(errno).during("write").on(root.path() + "/" + path);
                return std::move(e).advise("free some space; nothing is lost, the item is fetched again");
            }
            bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        }
        busy += clock::now() - start;
        return core::result<void>();
    }

    void begin_write_back() {
        if (fd && written - on_its_way >= write_back_bytes) {
            // Only a start: errors show at the barrier.
            ::sync_file_range(fd.get(), on_its_way, written - on_its_way, SYNC_FILE_RANGE_WRITE);
            on_its_way = written;
        }
    }
};

spool_file::spool_file(const tree::stage_root& root, async::worker& disk, std::string name)
    : shared_(std::make_shared<shared>(root, disk, std::move(name))) {}

spool_file::~spool_file() = default;

task<core::result<void>> spool_file::begin(const http::response& head) {
    const std::string etag(head.fields.find("ETag").value_or(""));
    web_page_ = head.fields.find("Content-Type").value_or("").starts_with("text/html");
    if (head.status == 206) {
        if (http::is_encoded(head.fields)) {
            core::error e(
                core::error_kind::content_changed, "a part of a compressed body is no part of the file"
            );
            co_return e;
        }
        const auto range = head.fields.find("Content-Range").value_or("");
        const auto total = http::range_total(range).value_or(-1);
        const bool told = !version_.empty() && !etag.empty();
        const bool other = (told && etag != version_) || (total >= 0 && total_ >= 0 && total != total_);
        if (http::range_start(range) != received() || other) {
            core::error e(
                core::error_kind::content_changed, "the file changed while it was being downloaded in parts"
            );
            co_return e;
        }
        unproven_ = unproven_ || (received() > 0 && !told);
        announce(head);
        co_return core::result<void>();
    }
    if (received() > 0) {  // the range was ignored (contract Q36): from the start
        auto again = co_await restart();
        if (!again) {
            co_return again.error();
        }
    }
    version_ = etag;
    encoded_ = http::is_encoded(head.fields);
    announce(head);
    total_ = encoded_ ? -1 : announced_;
    co_return core::result<void>();
}

void spool_file::announce(const http::response& head) {
    const auto field = head.fields.find("Content-Length").value_or("");
    std::int64_t length = 0;
    const auto [end, ec] = std::from_chars(field.data(), field.data() + field.size(), length);
    constexpr std::int64_t plausible = std::int64_t{1} << 50;
    announced_ = ec == std::errc{} && length >= 0 && length <= plausible ? received() + length : -1;
}

std::span<std::byte> spool_file::room() {
    if (!buffer_.bytes && !shared_->writing && shared_->spare.capacity == longest_piece) {
        buffer_ = std::exchange(shared_->spare, {});
    }
    if (!buffer_.bytes) {
        const auto told = announced_ - received();
        const auto usual = received() == 0 ? first_piece : longest_piece;
        buffer_.capacity = told > 0 ? std::min(static_cast<std::size_t>(told), longest_piece) : usual;
        buffer_.bytes = std::make_unique_for_overwrite<char[]>(buffer_.capacity);
        buffer_.size = 0;
    }
    return std::as_writable_bytes(std::span(buffer_.bytes.get(), buffer_.capacity)).subspan(buffer_.size);
}

task<core::result<void>> spool_file::filled(std::size_t bytes) {
    buffer_.size += bytes;
    if (encoded_ && received() > most_decoded_) {
        core::error e(
            core::error_kind::too_large,
            "the compressed content becomes more than " + std::to_string(most_decoded_) + " bytes"
        );
        co_return e;
    }
    // What is whole goes to the disk together with all else that `finish` does there.
    if (!buffer_.is_full() || received() == announced_) {
        co_return core::result<void>();
    }
    co_return co_await flush();
}

task<core::result<void>> spool_file::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        auto to = room();
        if (to.empty()) {
            auto flushed = co_await flush();
            if (!flushed) {
                co_return flushed;
            }
            continue;
        }
        const auto n = std::min(to.size(), bytes.size());
        std::memcpy(to.data(), bytes.data(), n);
        bytes = bytes.subspan(n);
        auto taken = co_await filled(n);
        if (!taken) {
            co_return taken;
        }
    }
    co_return core::result<void>();
}

std::int64_t spool_file::received() const {
    return shared_->written + static_cast<std::int64_t>(buffer_.size);
}

void spool_file::expect(std::int64_t size, std::int64_t bearable) {
    constexpr std::int64_t most = std::int64_t{1} << 50;
    most_decoded_ = std::max(bearable, 2 * std::min(size, most));
}

task<core::result<void>> spool_file::wait_for_writer() {
    while (shared_->writing) {
        co_await shared_->idle->wait();
    }
    if (shared_->failure) {
        co_return *shared_->failure;
    }
    co_return core::result<void>();
}

/// Gives the buffer to the writer once the piece before is on disk, and returns while it is being written.
task<core::result<void>> spool_file::flush() {
    auto ready = co_await wait_for_writer();
    if (!ready) {
        co_return ready.error();
    }
    if (!shared_->idle) {
        const auto executor = co_await boost::asio::this_coro::executor;
        shared_->idle = std::make_unique<async::event>(executor);
    }
    shared_->written += static_cast<std::int64_t>(buffer_.size);
    shared_->writing = true;
    auto work = [s = shared_, data = std::exchange(buffer_, {})]() mutable {
        auto written = s->write(data);
        s->begin_write_back();
        data.size = 0;
        s->spare = std::move(data);
        return written;
    };
    auto done = [s = shared_](std::exception_ptr e, core::result<void> written) {
        s->writing = false;
        if (e) {
            s->failure = core::error(core::error_kind::internal, "writing to the spool failed");
        } else if (!written) {
            s->failure = written.error();
        }
        s->idle->notify_all();
    };
    const auto executor = co_await boost::asio::this_coro::executor;
    boost::asio::co_spawn(executor, shared_->disk.run(std::move(work)), std::move(done));
    co_return core::result<void>();
}

task<core::result<void>> spool_file::restart() {
    co_await wait_for_writer();
    buffer_.size = 0;
    shared_->written = shared_->on_its_way = 0;
    shared_->sha = core::sha256();
    shared_->quick = core::quick_xor();
    shared_->failure.reset();
    shared_->fd = tree::unique_fd();  // create() truncates
    version_.clear();
    total_ = -1;
    encoded_ = unproven_ = false;
    co_return core::result<void>();
}

task<core::result<spool_file::outcome>> spool_file::finish(core::unix_seconds mtime) {
    auto ready = co_await wait_for_writer();
    if (!ready) {
        co_return ready.error();
    }
    shared_->written += static_cast<std::int64_t>(buffer_.size);
    auto work = [s = shared_, data = std::exchange(buffer_, {}), mtime]() -> core::result<outcome> {
        auto last = s->write(data);
        if (!last) {
            return last.error();
        }
        const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{mtime, 0}};
        struct stat st{};
        if (::futimens(s->fd.get(), times.data()) != 0 || ::fstat(s->fd.get(), &st) != 0) {
            return core::disk_error(errno).during("set the time of").on(s->path);
        }
        outcome out;
        out.size = s->written;
        const auto digest = s->sha.finish();
        out.sha256.assign(reinterpret_cast<const char*>(digest.data()), digest.size());
        out.quick_xor = s->quick.finish();
        out.inode = st.st_ino;
        s->fd = tree::unique_fd();
        return out;
    };
    co_return co_await shared_->disk.run(std::move(work));
}

task<void> spool_file::discard() {
    co_await wait_for_writer();
    auto work = [s = shared_] {
        s->fd = tree::unique_fd();
        return s->root.remove_file(s->path).has_value();
    };
    co_await shared_->disk.run(std::move(work));
}

std::chrono::nanoseconds spool_file::disk_time() const {
    return shared_->busy;
}

}  // namespace m365stage::sync
