#include "tree/verify.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/hash.hpp"

namespace m365stage::tree {

std::string_view to_string(problem_kind k) {
    switch (k) {
        case problem_kind::missing:
            return "missing";
        case problem_kind::damaged:
            return "damaged";
        case problem_kind::wrong_time:
            return "wrong-time";
        case problem_kind::extra:
            return "extra";
        case problem_kind::sidecar_missing:
            return "sidecar-missing";
        case problem_kind::sidecar_damaged:
            return "sidecar-damaged";
        case problem_kind::unreadable:
            break;
    }
    return "unreadable";
}

hash_pool::hash_pool(const stage_root& root, verify_log& log, std::size_t threads) : root_(root), log_(log) {
    for (std::size_t i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { work(); });
    }
}

hash_pool::~hash_pool() {
    finish();
}

void hash_pool::check(file_check c) {
    constexpr std::size_t longest_queue = 1000;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.size() < longest_queue; });
    queue_.push_back(std::move(c));
    changed_.notify_all();
}

void hash_pool::finish() {
    {
        const std::lock_guard guard(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    threads_.clear();
}

void hash_pool::work() {
    for (;;) {
        file_check c;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return ended_ || !queue_.empty(); });
            if (queue_.empty()) {
                return;
            }
            c = std::move(queue_.front());
            queue_.pop_front();
        }
        changed_.notify_all();
        hash(c);
    }
}

void hash_pool::hash(const file_check& c) {
    auto fd = root_.open_file(c.path);
    if (!fd) {
        log_.found(problem_of(fd.error(), c.shown, c.item));
        return;
    }
    core::sha256 digest;
    std::int64_t size = 0;
    thread_local std::vector<std::byte> buffer(256 * 1024);
    for (;;) {
        const auto n = ::read(fd->get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            log_.found({problem_kind::unreadable, c.shown, std::strerror(errno), c.item});
            return;
        }
        if (n == 0) {
            break;
        }
        size += n;
        digest.update({buffer.data(), static_cast<std::size_t>(n)});
        log_.bytes += static_cast<std::uint64_t>(n);
    }
    if (size != c.size) {
        log_.found(
            {problem_kind::damaged, c.shown,
             "it has " + std::to_string(size) + " bytes, not " + std::to_string(c.size), c.item}
        );
    } else if (const auto sum = core::to_hex(digest.finish()); sum != c.sha256) {
        log_.found({problem_kind::damaged, c.shown, "its sha256 is " + sum + ", not " + c.sha256, c.item});
    }
}

core::result<sidecar> read_sidecar(const stage_root& root, const std::string& path) {
    auto facts = root.look(path);
    if (!facts) {
        return facts.error();
    }
    if (!facts->regular) {
        return core::error(core::error_kind::protocol, "it is not a regular file");
    }
    auto text = root.read_file(path, longest_sidecar);
    if (!text) {
        return text.error();
    }
    return parse_sidecar_strictly(*text);
}

problem problem_of(const core::error& e, const std::string& shown, std::int64_t item) {
    switch (e.kind) {
        case core::error_kind::not_found:
            return {problem_kind::missing, shown, "it is not there", item};
        case core::error_kind::protocol:
        case core::error_kind::too_large:
            return {problem_kind::sidecar_damaged, shown, e.cause, item};
        default:
            return {problem_kind::unreadable, shown, e.cause, item};
    }
}

}  // namespace m365stage::tree
