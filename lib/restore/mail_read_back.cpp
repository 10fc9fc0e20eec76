#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "restore/mail_attachments.hpp"
#include "restore/mail_folder.hpp"
#include "restore/mail_restore.hpp"
#include "restore/spread.hpp"
#include "sources/fields.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

constexpr int messages_at_once = 4;

/// Compares one mail folder.
class mail_reader {
public:
    mail_reader(context& with, journal::written_folder where, bool last)
        : with_(with),
          calls_(parse_journal_target(where.target).second),
          where_(std::move(where)),
          last_(last) {}

    task<core::result<std::uint64_t>> run() {
        auto written = co_await with_.log.written_in(where_);
        entries_ = std::move(written);
        bool folders = false;
        for (const auto& [path, e] : entries_) {
            folders = folders || e.kind == "mail folder";
            messages_ = messages_ || e.kind == "message";
        }
        auto listed = co_await list(folders);
        const core::error unread = listed ? core::error() : listed.error();
        auto one = [this, &listed, &unread](std::size_t n) {
            auto& [path, e] = entries_[n];
            return listed ? check(path, std::move(e)) : note_failure(with_, path, std::move(e), unread);
        };
        auto done = co_await spread(with_, entries_.size(), messages_at_once, std::move(one));
        if (!done) {
            co_return done.error();
        }
        co_return open_;
    }

private:
    /// Remote ids of what is there; the facts of messages go to the journal, so that memory holds no more of
    /// the folder than the entries of this restore.
    task<core::result<void>> list(bool folders) {
        if (folders) {
            auto done = co_await read_pages(calls_.child_folders(where_.parent, "mail folders"), false);
            if (!done) {
                co_return done;
            }
        }
        if (messages_) {
            auto done = co_await read_pages(calls_.messages(where_.parent, false, "what was put back"), true);
            if (!done && done.error().kind != core::error_kind::server) {
                co_return done;
            }
            unlisted_ = !done;  // one message that can't be put into a page: each is asked for by itself
        }
        co_return core::result<void>();
    }

    task<core::result<void>> read_pages(graph::call call, bool messages) {
        graph::paged_list pages(with_.graph, std::move(call));
        for (;;) {
            const auto page = co_await pages.next();
            if (!page && page.error().kind != core::error_kind::not_found) {
                co_return page.error();
            }
            if (!page || *page == nullptr) {
                co_return core::result<void>();  // not found: the folder itself is gone
            }
            std::vector<journal::there> rows;
            for (const auto& element : **page) {
                journal::there row;
                row.id = sources::text(element, "id");
                row.key = "read " + row.id;
                row.facts = messages ? sources::canonical(element) : "";
                rows.push_back(std::move(row));
            }
            co_await with_.log.add_there(where_.parent, std::move(rows));
        }
    }

    task<core::result<void>> check(std::string path, entry e) {
        const bool message = e.kind == "message";
        auto there = co_await find(e.id, message);
        if (!there) {
            co_return co_await note_failure(with_, std::move(path), std::move(e), there.error());
        }
        if (!*there) {
            auto open = co_await note_gone(with_, std::move(path), std::move(e), last_);
            open_ += open;
        } else if (message && e.state == outcome::done && !e.hash.starts_with(compared_mark)) {
            co_return co_await compare(std::move(path), std::move(e), std::move(**there));
        }
        co_return core::result<void>();
    }

    task<core::result<std::optional<std::string>>> find(std::string id, bool message) {
        if (message && unlisted_) {
            auto answer = co_await with_.graph.get_json(calls_.message(id, "what was put back"));
            if (answer) {
                co_return std::optional(sources::canonical(*answer));
            }
            if (answer.error().kind == core::error_kind::not_found) {
                co_return std::optional<std::string>();
            }
            co_return answer.error();
        }
        auto rows = co_await with_.log.find_there(where_.parent, "read " + id);
        co_return rows.empty() ? std::optional<std::string>() : std::optional(rows.front().facts);
    }

    /// An entry of this run or one before that was never compared.
    task<core::result<void>> compare(std::string path, entry e, std::string facts) {
        auto read = [this, &path] {
            const auto slash = path.rfind('/');
            const auto local = std::string(leaf_of(path));
            return with_.tree.read(
                slash == std::string::npos ? "" : path.substr(0, slash), {local, tree::sidecar_name(local)}
            );
        };
        auto o = co_await with_.disk.run(std::move(read));
        const auto staged = json::parse(o.meta.item, nullptr, false);
        const auto wanted = parse_remote_message(staged, o.meta.id);
        const auto there = parse_remote_message(json::parse(facts, nullptr, false));
        const bool ours = !e.compared;
        auto different = wanted && there ? difference(*wanted, *there, ours) : std::string("everything");
        if (!different.empty() && wanted && there && ours) {
            auto mended = co_await mend(e.id, staged, path);
            const auto now = parse_remote_message(mended);
            different = now ? difference(*wanted, *now, ours) : different;
        }
        if (different.empty()) {
            auto marks = co_await read_attachments(with_, calls_, e.id, path);
            if (!marks) {
                co_return co_await note_failure(with_, std::move(path), std::move(e), marks.error());
            }
            different = digest_of(*marks) == e.hash ? "" : "attachments";
        }
        if (different == "attachments" && !last_) {
            e.state = outcome::intended;  // what is missing is added in the second round
            ++open_;
            co_await with_.log.put(std::move(path), std::move(e));
            co_return core::result<void>();
        }
        if (!different.empty()) {
            co_await note(
                with_, std::move(path), std::move(e), outcome::failed,
                "read back, not as it was: " + different
            );
            co_return core::result<void>();
        }
        e.hash.insert(0, 1, compared_mark);
        co_await with_.log.put(std::move(path), std::move(e));
        co_return core::result<void>();
    }

    /// Sets what may be set on a message that is no draft (contract 8.2): read state, flag, categories,
    /// importance. Returns the message as it is then; null if that did not work.
    task<json> mend(std::string id, json staged, std::string path) {
        json body = json::object();
        for (const char* key : {"isRead", "flag", "categories", "importance"}) {
            if (const auto* value = sources::member(staged, key)) {
                body[key] = *value;
            }
        }
        auto call = calls_.message(id, path);
        call.verb = http::method::patch;
        call.body = sources::canonical(body);
        auto changed = co_await with_.graph.send(std::move(call));
        if (!changed) {
            co_return json();
        }
        auto now = co_await with_.graph.get_json(calls_.message(id, path));
        co_return now ? std::move(*now) : json();
    }

    context& with_;
    const mail_calls calls_;
    const journal::written_folder where_;
    const bool last_;
    bool messages_ = false, unlisted_ = false;
    std::vector<std::pair<std::string, entry>> entries_;
    std::uint64_t open_ = 0;
};

}  // namespace

task<core::result<std::uint64_t>> read_back_mail_folder(
    context& with, journal::written_folder where, bool last
) {
    mail_reader r(with, std::move(where), last);
    auto open = co_await r.run();
    co_return open;
}

}  // namespace m365stage::restore
