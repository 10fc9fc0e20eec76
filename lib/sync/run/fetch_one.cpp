#include "sync/run/fetch_one.hpp"

#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "core/log.hpp"
#include "graph/errors.hpp"
#include "index/items.hpp"
#include "index/owners.hpp"
#include "index/work.hpp"
#include "sync/run/columns.hpp"
#include "sync/run/spool_file.hpp"

namespace m365stage::sync {
namespace {

using core::error_kind;

// Of one download, though each brings some bytes; those that bring none end it far sooner.
constexpr int most_resumes = 512;
constexpr int most_fresh_addresses = 2;
constexpr const char* of_permissions = "read permissions";
constexpr int download_restarts = 3;

/// True if a fresh look shows another version of the content than the look before (contract 5.6, 5.8). An
/// eTag moves with metadata too: it decides only where nothing else tells.
bool shows_other_content(const index::work_item& before, const index::item_change& now) {
    if (!before.hash.empty() && !now.hash.empty()) {
        return before.hash != now.hash;
    }
    if (before.size != now.size || before.mtime != now.mtime) {
        return true;
    }
    const auto differ = [](std::int64_t had, const std::string& has) {
        return had != 0 && !has.empty() && had != core::fingerprint(has);
    };
    const bool told = before.ctag != 0 && !now.ctag.empty();
    return told ? differ(before.ctag, now.ctag) : differ(before.etag, now.etag);
}

/// A download as those see it who count the room on the disk, or what the spool holds.
class file_on_its_way final : public counted_file {
public:
    enum class part { to_come, beyond_announced };

    file_on_its_way(counted_files& all, const spool_file& file, part counts, std::int64_t announced)
        : all_(all), file_(file), counts_(counts), announced_(announced) {
        all_.add(*this);
    }
    ~file_on_its_way() override { all_.remove(*this); }
    file_on_its_way(const file_on_its_way&) = delete;
    file_on_its_way& operator=(const file_on_its_way&) = delete;

    std::int64_t bytes() const override {
        const auto to_come = announced_ - file_.received();
        return counts_ == part::to_come ? to_come : -to_come;
    }

private:
    counted_files& all_;
    const spool_file& file_;
    const part counts_;
    const std::int64_t announced_;
};

/// Fetching of one item; an object for the state that the steps share.
class fetcher {
public:
    fetcher(pass_context& pass, index::container c, index::work_item i)
        : pass_(pass),
          container_(std::move(c)),
          item_(std::move(i)),
          source_(pass.source_of(container_.kind)) {
        result_.id = item_.id;
        result_.version = item_.version;
        if (item_.url_until > core::now_seconds()) {
            url_ = item_.url;
        }
    }

    task<fetch_outcome> run() {
        if (item_.content && item_.meta.empty()) {
            co_return co_await ask_again();
        }
        // The small answers first: what is paused or gone shows before anything is downloaded. But no failure
        // of theirs keeps the content back.
        auto missing = co_await small_answers();
        if (missing && (!item_.content || !may_wait(*missing))) {
            const bool gone = missing->operation == of_permissions && missing->kind == error_kind::not_found;
            co_return gone ? fetch_outcome(vanished()) : failure(std::move(*missing), {}, nullptr);
        }
        if (item_.content) {
            std::optional<fetch_outcome> failed;
            if (source_.content() == sources::content_kind::rendered) {
                failed = co_await render();
            } else {
                failed = co_await content();
            }
            if (failed) {
                co_return std::move(*failed);
            }
        }
        if (missing) {
            result_.missing.emplace();
            result_.missing->next_try =
                core::now_seconds() + index::retry_pause(missing->kind, item_.attempts);
            result_.missing->why = std::move(*missing);
        }
        co_return fetch_outcome(std::move(result_));
    }

private:
    /// Permissions and columns into `result_`; why one of them is missing.
    task<std::optional<core::error>> small_answers() {
        std::optional<core::error> missing;
        if (item_.permissions) {
            missing = co_await permissions();
        }
        if (item_.columns) {
            auto values = co_await column_values_of(pass_, container_, item_);
            if (values) {
                result_.columns = std::move(*values);
            } else if (!missing) {
                missing = values.error();
                missing->operation = "read columns";
                missing->object = container_.key + ": " + item_.name;
            }
        }
        co_return missing;
    }

    /// False for what stops everything else as well.
    static bool may_wait(const core::error& e) {
        return e.code != graph::paused_code && e.kind != error_kind::auth_refused &&
               e.kind != error_kind::cancelled;
    }

    enum class look { there, gone, failed };

    /// An item of which the service could tell nothing: if it can now, that is recorded as a page would be,
    /// and this work is replaced by the work that follows from it.
    task<fetch_outcome> ask_again() {
        index::stream folders_own;  // not the main one, which may tell of folders alone
        folders_own.remote_id = item_.parent_remote_id;
        auto call = source_.rest_call(container_, folders_own, item_.remote_id);
        constexpr unsigned few = 3;  // it is tried again later
        call.max_attempts = few;
        auto answer = co_await pass_.graph.get_json(std::move(call));
        if (!answer) {
            const bool gone = answer.error().kind == error_kind::not_found;
            co_return gone ? fetch_outcome(vanished()) : failure(answer.error());
        }
        auto change = source_.parse_item(*answer, folders_own);
        if (!change || change->removed) {
            co_return vanished();
        }
        co_await mark_columns(pass_, container_, *change);
        const auto now = core::now_seconds();
        auto take = [id = container_.id, change = std::move(*change), now](index::database& db) {
            index::apply_single(db, id, change, now, now);
        };
        co_await pass_.store.call(std::move(take));
        pass_.settle.insert(static_cast<std::int64_t>(container_.id));
        co_return fetch_outcome(std::move(result_));
    }

    /// A fresh look at the item: its address, and what changed since the page.
    task<look> look_again() {
        auto answer = co_await pass_.graph.get_json(source_.item_call(container_, item_.remote_id));
        if (!answer) {
            error_ = answer.error();
            gone_ = error_.kind == error_kind::not_found;
            co_return gone_ ? look::gone : look::failed;
        }
        index::stream folders_own;  // not the main one, which may tell of folders alone
        folders_own.remote_id = item_.parent_remote_id;
        auto change = source_.parse_item(*answer, folders_own);
        if (!change || change->removed || change->type != index::item_type::file) {
            error_ = core::error(error_kind::not_found, "the item is no file any more");
            gone_ = true;
            co_return look::gone;
        }
        if (!change->refusal.empty()) {
            error_ = core::error(
                core::error_kind_from(change->refusal).value_or(error_kind::unsupported), change->refusal_text
            );
            co_return look::failed;
        }
        other_content_ = shows_other_content(item_, *change);
        url_ = change->url;
        item_.etag = change->etag.empty() ? 0 : core::fingerprint(change->etag);
        item_.ctag = change->ctag.empty() ? 0 : core::fingerprint(change->ctag);
        item_.size = change->size;
        item_.hash = change->hash;
        item_.mtime = change->mtime;
        result_.meta = std::move(change->meta);
        result_.mark = std::move(change->mark);
        result_.hash = change->hash;
        result_.mtime = change->mtime;
        result_.announced = change->size;
        result_.ctag = item_.ctag;
        co_return look::there;
    }

    fetch_outcome failure(core::error e, std::string first = {}, const char* doing = "download") {
        if (e.code == graph::paused_code) {
            return postponed();
        }
        if (doing != nullptr) {
            e.operation = doing;
            e.object = container_.key + ": " + item_.name;
        }
        return fetch_failure(std::move(e), std::move(first));
    }

    /// Content into `result_`; what came of it instead otherwise.
    task<std::optional<fetch_outcome>> content() {
        if (url_.empty() && source_.content() == sources::content_kind::announced) {
            const auto seen = co_await look_again();
            if (seen != look::there) {
                co_return gone_or_failed(seen);
            }
        }
        std::string first = item_.first_bytes;
        // Twice at the most: bytes that are not what was announced are fetched once more.
        for (int copy = 0; copy < 2; ++copy) {
            spool_file file(pass_.root, pass_.disk, spool_name());
            const file_on_its_way counted(
                pass_.unforeseen, file, file_on_its_way::part::beyond_announced, queued_size_
            );
            spool_file::outcome done;
            auto failed = co_await download(file, done);
            if (failed) {
                co_return std::move(*failed);
            }
            // A gateway's page can come twice as well; it is no version of the file.
            web_page_ = file.is_web_page();
            const bool foreign = web_page_ && !may_be_web_page();
            if (as_announced(done) || (done.sha256 == first && !foreign)) {
                const bool same = done.sha256 == item_.staged_sha256;
                keep(done);
                if (same) {
                    co_await leave(file);
                }
                co_return std::nullopt;
            }
            co_await file.discard();
            if (copy == 1) {
                break;
            }
            first = done.sha256;
            if (source_.content() == sources::content_kind::announced) {
                const auto seen = co_await look_again();
                if (seen != look::there) {
                    co_return gone_or_failed(seen);
                }
            }
        }
        core::error e(
            error_kind::content_changed, "the service sends other bytes each time, and not those it announced"
        );
        e.hint = "usually the file is being edited; it is tried again";
        co_return failure(std::move(e), std::move(first));
    }

    /// All bytes of the content into `file`, and what they are into `out`; what came of it instead otherwise.
    task<std::optional<fetch_outcome>> download(spool_file& file, spool_file::outcome& out) {
        auto full = co_await look_for_room();
        if (full) {
            co_return failure(std::move(*full));
        }
        file.expect(item_.size);
        std::optional<file_on_its_way> announced;
        if (item_.size >= large_file) {
            announced.emplace(pass_.promised, file, file_on_its_way::part::to_come, item_.size);
        }
        auto transferred = co_await transfer(file);
        if (!transferred) {
            co_await file.discard();
            if (gone_) {
                co_return fetch_outcome(vanished());
            }
            auto e = transferred.error();
            if (e.kind == error_kind::not_found) {
                e.hint = "the item is there, its content can't be found; it is tried again";
            }
            co_return failure(std::move(e));
        }
        auto done = co_await file.finish(item_.mtime);
        pass_.counters.disk_time += file.disk_time();
        if (!done) {
            throw core::fatal(done.error());
        }
        out = std::move(*done);
        co_return std::nullopt;
    }

    /// Why a large file is not fetched now: it would fill the disk, and everything else would stop with it.
    task<std::optional<core::error>> look_for_room() {
        if (item_.size < large_file) {
            co_return std::nullopt;
        }
        auto ask = [this] { return pass_.root.free_bytes(); };
        const auto free = co_await pass_.disk.run(std::move(ask));
        if (!free) {
            throw core::fatal(free.error());
        }
        disk_room room;
        room.free = *free;
        room.promised = pass_.promised.bytes();
        room.least_free = pass_.options.min_free_bytes;
        co_return does_not_fit(item_.size, room);
    }

    /// Content that is made here, into `result_`; what came of it instead otherwise. What is made of several
    /// answers is begun anew when one of them fails for the moment.
    task<std::optional<fetch_outcome>> render() {
        constexpr int most_tries = 3;
        for (int tries = 1;; ++tries) {
            auto failed = co_await render_once();
            if (!failed) {
                co_return std::nullopt;
            }
            if (failed->kind == error_kind::disk) {
                throw core::fatal(std::move(*failed));
            }
            if (failed->kind == error_kind::not_found) {
                co_return vanished();
            }
            const bool lasts = !core::is_transient(failed->kind) || failed->code == graph::paused_code;
            if (lasts || tries == most_tries) {
                co_return failure(std::move(*failed));
            }
            co_await pause(tries);
        }
    }

    task<std::optional<core::error>> render_once() {
        spool_file file(pass_.root, pass_.disk, spool_name());
        const file_on_its_way counted(
            pass_.unforeseen, file, file_on_its_way::part::beyond_announced, queued_size_
        );
        auto made = co_await source_.render(pass_.graph, container_, item_, file);
        if (!made) {
            co_await file.discard();
            co_return made.error();
        }
        auto done = co_await file.finish(item_.mtime);
        pass_.counters.disk_time += file.disk_time();
        if (!done) {
            throw core::fatal(done.error());
        }
        result_.meta = std::move(made->meta);
        result_.mark = std::move(made->mark);
        result_.hash = std::move(made->hash);
        keep(*done);
        if (done->sha256 == item_.staged_sha256) {
            co_await leave(file);
        }
        co_return std::nullopt;
    }

    /// The bytes are those that lie in the tree: that file is not touched.
    task<void> leave(spool_file& file) {
        result_.same = true;
        result_.spool.clear();
        co_await file.discard();
    }

    fetch_outcome gone_or_failed(look seen) {
        return seen == look::gone ? fetch_outcome(vanished()) : failure(std::move(error_));
    }

    bool may_be_web_page() const {
        const auto extension = item_.name.substr(std::min(item_.name.rfind('.'), item_.name.size()));
        return extension.find("ht") != std::string::npos || extension.find("HT") != std::string::npos ||
               extension.find("asp") != std::string::npos;
    }

    bool as_announced(const spool_file::outcome& done) const {
        if (source_.content() != sources::content_kind::announced) {
            return !web_page_;  // nothing was announced
        }
        return item_.hash.empty() ? done.size == item_.size : done.quick_xor == item_.hash;
    }

    void keep(const spool_file::outcome& done) {
        result_.spool = spool_name();
        result_.spool_inode = static_cast<std::int64_t>(done.inode);
        result_.size = done.size;
        result_.sha256 = done.sha256;
        result_.verdict = as_announced(done) ? "" : "altered_by_service";
    }

    std::string spool_name() const {
        return std::to_string(static_cast<std::int64_t>(item_.id)) + "-" + std::to_string(item_.version);
    }

    /// Downloads into `file`, resuming and renewing the address as long as that leads on.
    task<core::result<void>> transfer(spool_file& file) {
        int fresh_addresses = 0;
        int idle_resumes = 0;
        int restarts = 0;
        for (int attempt = 0;; ++attempt) {
            const auto before = file.received();
            auto answer = co_await request(file);
            if (answer) {
                answer = co_await is_of_one_version(file);
            }
            if (answer) {
                co_return core::result<void>();
            }
            auto e = answer.error();
            if (e.kind == error_kind::disk) {
                throw core::fatal(std::move(e));
            }
            if (gone_ || e.code == graph::paused_code) {
                co_return e;
            }
            bool from_start = e.http_status == 416 || e.kind == error_kind::content_changed ||
                              (file.is_encoded() && core::is_transient(e.kind));
            if (needs_look(e) && fresh_addresses < most_fresh_addresses) {
                ++fresh_addresses;
                const auto seen = co_await look_again();
                if (seen != look::there) {
                    co_return std::move(error_);
                }
                from_start = other_content_ && file.received() > 0;
                if (!from_start) {
                    continue;
                }
            }
            if (from_start) {
                if (++restarts > download_restarts) {
                    co_return e;
                }
                auto again = co_await file.restart();
                if (!again) {
                    co_return again.error();
                }
            } else if (!core::is_transient(e.kind)) {
                co_return e;
            }
            idle_resumes = file.received() > before ? 0 : idle_resumes + 1;
            constexpr int most_idle = 3;
            if (attempt >= most_resumes || idle_resumes > most_idle) {
                co_return e;
            }
            co_await pause(idle_resumes);
        }
    }

    /// True if the address may have expired (contract Q34) or the item may be gone: only the item itself
    /// tells.
    bool needs_look(const core::error& e) const {
        const bool refused = e.http_status == 401 || e.http_status == 403;
        const bool absent = e.http_status == 404 || e.http_status == 410;
        return e.kind != error_kind::malware && (absent || (refused && !url_.empty()));
    }

    /// Parts of two versions make a file that nobody ever had (contract Q46). Where neither a hash of the
    /// whole nor the file host tells them apart, the item does. Errors: content_changed, or why it could not
    /// be seen.
    task<core::result<void>> is_of_one_version(const spool_file& file) {
        const bool hashed = source_.content() == sources::content_kind::announced && !item_.hash.empty();
        if (hashed || !file.is_unproven()) {
            co_return core::result<void>();
        }
        const auto seen = co_await look_again();
        if (seen != look::there) {
            co_return error_;
        }
        if (other_content_) {
            core::error e(
                error_kind::content_changed, "the file changed while it was being downloaded in parts"
            );
            co_return e;
        }
        co_return core::result<void>();
    }

    task<core::result<void>> request(spool_file& file) {
        auto call = source_.content_call(container_, item_.remote_id, url_);
        if (file.received() > 0) {
            call.fields.set("Range", "bytes=" + std::to_string(file.received()) + "-");
        } else {
            constexpr std::chrono::seconds patience(5);
            call.longest_pause = patience;
        }
        auto answer = co_await pass_.graph.download(std::move(call), file);
        if (!answer) {
            co_return answer.error();
        }
        co_return core::result<void>();
    }

    /// Between two tries on the same file; what the service asks for is waited for in graph::client.
    task<void> pause(int tries) {
        constexpr std::chrono::milliseconds unit(200);
        boost::asio::steady_timer timer(pass_.executor, unit * (1 << std::min(tries, 4)));
        co_await timer.async_wait(boost::asio::use_awaitable);
    }

    task<std::optional<core::error>> permissions() {
        auto answer = co_await source_.read_permissions(pass_.graph, container_, item_.remote_id);
        if (answer) {
            result_.access = std::move(*answer);
            co_return std::nullopt;
        }
        auto e = answer.error();
        // A refusal that is no clear word of the service may be a passing fault, and nothing would ask again
        // once the item is staged.
        const bool not_granted = e.kind == error_kind::forbidden && graph::is_clear(e);
        if (core::is_transient(e.kind) || (!not_granted && item_.attempts < graph::most_doubts)) {
            e.operation = of_permissions;
            e.object = container_.key + ": " + item_.name;
            co_return e;
        }
        // Not granted, or not offered for this item: the content is staged all the same.
        co_await report_permissions(e);
        co_return std::nullopt;
    }

    /// Once for each container and pass: its sidecars lack permissions, and that is not kept quiet.
    task<void> report_permissions(core::error why) {
        if (!pass_.told.insert(static_cast<std::int64_t>(container_.id)).second) {
            co_return;
        }
        why.operation = "read permissions";
        why.object = container_.key;
        why.hint = "grant Sites.FullControl.All to see all permissions; the content is staged without them";
        core::log(core::log_level::warning, core::describe(why));
        const auto now = core::now_seconds();
        auto note = [key = container_.key, text = "permissions: " + why.cause, now](index::database& db) {
            index::set_not_covered(db, key, {text}, now);
        };
        co_await pass_.store.call(std::move(note));
    }

    pass_context& pass_;
    index::container container_;
    index::work_item item_;
    const std::int64_t queued_size_ = item_.content ? item_.size : 0;  ///< as the queue counts it
    sources::source& source_;
    index::fetch_result result_;
    std::string url_;
    bool web_page_ = false;       ///< the last answer said so
    bool gone_ = false;           ///< the last look: the item is not there
    bool other_content_ = false;  ///< the last look: the content is another one than at the look before
    core::error error_;           ///< of the last look
};

}  // namespace

task<fetch_outcome> fetch_one(pass_context& pass, index::container container, index::work_item item) {
    fetcher f(pass, std::move(container), std::move(item));
    co_return co_await f.run();
}

}  // namespace m365stage::sync
