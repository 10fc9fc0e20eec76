#include "restore/mail_restore.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "restore/mail_attachments.hpp"
#include "restore/mail_folder.hpp"
#include "restore/part_source.hpp"
#include "restore/upload.hpp"
#include "sources/fields.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

// Attachments up to this many bytes go with the message in one request (which may have 4 MB, as text).
constexpr std::int64_t most_in_one = 1'000'000;
constexpr std::size_t longest_with_parts = 2u << 20;  // a longer text leaves them no room
constexpr int letter_tries = 5;
// A message that was made although nobody heard of it may take a while to be seen.
constexpr std::array<std::chrono::milliseconds, 3> looks_for_lost{
    std::chrono::milliseconds(100), std::chrono::milliseconds(900), std::chrono::milliseconds(4000)
};

/// True if the service may have done what it was asked for.
bool may_be_done(const core::error& e) {
    constexpr int gateway_timeout = 504;
    return e.kind == core::error_kind::transport || e.kind == core::error_kind::timeout ||
           e.http_status == gateway_timeout;
}

/// A message on its way.
struct letter {
    letter(const object& o, std::shared_ptr<mail_folder> f) : what(o), folder(std::move(f)) {}
    const object& what;
    std::shared_ptr<mail_folder> folder;
    entry e;
    std::shared_ptr<mime_file> mime;
    json staged;       ///< the sidecar's metadata
    std::string mark;  ///< that the message gets
    std::vector<refused_part> refused;
};

class mail_writer final : public writer {
public:
    mail_writer(context& with, const kind& k, const target& to) : with_(with) {
        const auto name = journal_target(k, to);
        const bool in_place = to.below.empty();
        top_ = std::make_shared<mail_folder>(with, name, mail_calls(to.id), to.root, to.origin && in_place);
        std::string path = ":" + name;
        for (const auto& folder : to.below) {
            path = tree::join_path(path, folder);
            top_ = std::make_shared<mail_folder>(top_, path, folder, nullptr);
        }
    }

    folder_ptr top() override { return top_; }

    folder_ptr inside(folder_ptr above, const object& o) override {
        if (is_month(o)) {
            return above;
        }
        const bool named = o.state == object_state::good;
        auto parent = std::static_pointer_cast<mail_folder>(std::move(above));
        return std::make_shared<mail_folder>(std::move(parent), o.path, named ? o.meta.name : o.local, &o);
    }

    task<core::result<void>> put(folder_ptr into, const object& o) override {
        letter l(o, std::static_pointer_cast<mail_folder>(std::move(into)));
        auto known = co_await with_.log.find(o.path, o.mark);
        l.e = std::move(known);
        // Made by an earlier run, or compared by this one.
        l.e.compared = l.e.compared || l.e.hash.starts_with(compared_mark) ||
                       (!l.e.id.empty() && l.e.state != outcome::failed);
        if (l.e.state == outcome::done || l.e.state == outcome::present) {
            const auto again = co_await reopen_parts(with_, o.path);
            l.e.state = again ? outcome::intended : l.e.state;
            co_await with_.log.put(o.path, l.e);
            if (!again) {
                co_return core::result<void>();
            }
        }
        auto done = co_await take(l);
        if (!done) {
            co_return co_await note_failure(with_, o.path, std::move(l.e), done.error());
        }
        co_return core::result<void>();
    }

private:
    task<core::result<void>> take(letter& l) {
        l.e.kind = "message";
        l.e.mark = l.what.mark;
        l.e.target = l.folder->target();
        auto ready = co_await l.folder->ensure();
        if (!ready) {
            co_return ready;
        }
        if (l.e.parent != l.folder->id()) {
            l.e.state = outcome::open;  // a folder of an earlier run, which is gone
            l.e.id.clear();
            l.e.name.clear();
        }
        l.e.parent = l.folder->id();
        auto read = [this, &l] { return open(l); };
        auto opened = co_await with_.disk.run(std::move(read));
        if (!opened) {
            co_return opened.error();
        }
        auto there = co_await look(l);
        if (!there) {
            co_return there.error();
        }
        if (*there) {
            co_return core::result<void>();
        }
        co_return co_await create_and_fill(l);
    }

    /// Reads and checks the file. Blocks.
    core::result<int> open(letter& l) {
        auto file = examine(with_.tree.root(), l.what.path);
        if (!file) {
            return file.error();
        }
        if (file->sha256 != l.what.meta.sha256 || file->size != l.what.meta.size) {
            return core::error(
                core::error_kind::content_changed,
                "its bytes are not those that its sidecar tells: this copy is damaged"
            );
        }
        auto mime = mime_file::open(with_.tree.root(), l.what.path);
        if (!mime) {
            return mime.error();
        }
        l.mime = std::move(*mime);
        l.staged = json::parse(l.what.meta.item, nullptr, false);
        l.mark = mark_of(l.what.meta.id);
        l.e.size = file->size;
        l.e.name = l.e.name == l.mark ? "" : l.e.name;  // written by 0.1.0
        l.e.hash = digest_of(marks_of(*l.mime));
        l.e.mtime = file->mtime;
        return 0;
    }

    /// True: there is nothing to be sent (any more), and the journal says how it ended.
    task<core::result<bool>> look(letter& l) {
        replaced_.insert(l.e.name);
        if (!l.e.id.empty() && (l.e.state == outcome::intended || !l.e.name.empty())) {
            auto filled = co_await fill(l, std::nullopt);
            if (filled || filled.error().kind != core::error_kind::not_found) {
                co_return filled ? core::result<bool>(true) : filled.error();
            }
            l.e.id.clear();  // it is gone
        }
        const auto wanted = parse_remote_message(l.staged, l.what.meta.id);
        const auto internet_id = wanted ? wanted->internet_id : std::string();
        auto found = co_await l.folder->find(internet_id, l.mark, l.what.meta.id);
        if (!found) {
            co_return found.error();
        }
        std::vector<std::string> others;
        for (const auto& m : *found) {
            auto used = co_await with_.log.is_used(m.id, l.what.path);
            used = used || claimed_.contains(m.id);
            // A try that was cut off, or a restore of another day.
            if (is_ours_marked(l, m) || (!used && is_ours_unmarked(l, m))) {
                const bool another_day = l.e.state != outcome::intended && l.e.state != outcome::failed;
                l.e.compared = l.e.compared || another_day;
                l.e.id = m.id;
                auto filled = co_await fill(l, std::nullopt);
                co_return filled ? core::result<bool>(true) : filled.error();
            }
            if (used) {
                continue;  // the same message lies in the tree more than once
            }
            if (wanted && is_same_message(*wanted, m)) {
                claimed_.insert(m.id);
                l.e.id = m.id;
                l.e.state = outcome::present;
                l.e.name.clear();
                co_await with_.log.put(l.what.path, l.e);
                claimed_.erase(m.id);
                co_return true;
            }
            others.push_back(m.id);
        }
        if (with_.asked.conflict == conflict_rule::replace) {
            choose_replaced(l, others);
            co_return false;
        }
        l.e.name.clear();
        if (others.empty() || with_.asked.conflict == conflict_rule::rename) {
            co_return false;
        }
        co_await note(
            with_, l.what.path, std::move(l.e), outcome::skipped, "another version of the message is there"
        );
        co_return true;
    }

    /// What the message takes the place of: one that no other message does.
    void choose_replaced(letter& l, const std::vector<std::string>& others) {
        const auto free = std::find_if(others.begin(), others.end(), [&](const std::string& id) {
            return id == l.e.name || !replaced_.contains(id);
        });
        l.e.name = free == others.end() ? "" : *free;
        replaced_.insert(l.e.name);
    }

    /// A draft that a restore of another day made may have been changed since, as any other.
    static bool is_ours_marked(const letter& l, remote_message there) {
        if (there.mark != l.mark) {
            return false;
        }
        const auto wanted = parse_remote_message(l.staged, l.what.meta.id);
        if (l.e.state == outcome::intended || there.id == l.e.id || !there.draft || !wanted) {
            return true;
        }
        there.attachments = wanted->attachments;
        there.change_key = wanted->change_key;
        return is_same_message(*wanted, there);
    }

    /// Where the service does not tell marks: a message like ours that appeared since we began to make it. It
    /// may lack attachments yet.
    static bool is_ours_unmarked(const letter& l, remote_message there) {
        const auto wanted = parse_remote_message(l.staged, l.what.meta.id);
        if (l.e.state != outcome::intended || !there.mark.empty() || !wanted || wanted->internet_id.empty()) {
            return false;
        }
        there.attachments = wanted->attachments;
        there.change_key = wanted->change_key;
        return is_same_message(*wanted, there);
    }

    /// Makes the message, looks after lost answers, and adds what did not go with it.
    task<core::result<void>> create_and_fill(letter& l) {
        l.e.state = outcome::intended;
        l.e.compared = false;
        co_await with_.log.put(l.what.path, l.e);
        auto body = co_await render(l, true);
        if (!body) {
            co_return body.error();
        }
        bool whole = body->second;
        core::error why;
        for (int n = 0; n < letter_tries && l.e.id.empty(); ++n) {
            auto call = l.folder->calls().create(l.folder->id(), l.what.path);
            call.body = body->first;
            co_await with_.pace.admit(l.folder->calls().owner(), call.body.size());
            auto made = co_await with_.graph.get_json(std::move(call));
            if (made) {
                const auto m = parse_remote_message(*made);
                l.e.id = m ? m->id : "";
                // A service that passes attachments over in this request gets them one by one.
                const bool taken = whole && m && (m->attachments || !has_visible_part(*l.mime));
                co_return co_await created(l, taken);
            }
            why = made.error();
            const bool refused =
                why.kind == core::error_kind::bad_request || why.kind == core::error_kind::too_large;
            if (refused && whole && !l.mime->parts().empty()) {
                // Perhaps for one of the attachments: they are sent one by one then.
                whole = false;
                body = co_await render(l, false);
                continue;
            }
            const bool unseen = why.kind == core::error_kind::not_found;  // a folder that was made just now
            if (!unseen && !core::is_transient(why.kind)) {
                co_return why;
            }
            auto again = co_await look_for_lost(l, n, may_be_done(why));
            if (!again) {
                co_return again.error();
            }
        }
        if (l.e.id.empty()) {
            co_return why;
        }
        co_return co_await created(l, false);
    }

    /// The message may be there although the request failed.
    task<core::result<void>> look_for_lost(letter& l, int tries, bool likely) {
        if (!likely) {
            co_return co_await wait_and_look(l, std::chrono::milliseconds(100) * (1 << tries));
        }
        for (const auto pause : looks_for_lost) {
            auto looked = co_await wait_and_look(l, pause);
            if (!looked || !l.e.id.empty()) {
                co_return looked;
            }
        }
        co_return core::result<void>();
    }

    task<core::result<void>> wait_and_look(letter& l, std::chrono::milliseconds pause) {
        auto& clock = async::system_timing();
        co_await clock.sleep_until(clock.now() + pause);
        const auto wanted = parse_remote_message(l.staged, l.what.meta.id);
        const auto internet_id = wanted ? wanted->internet_id : std::string();
        auto found = co_await l.folder->find_now(internet_id, l.mark);
        if (!found && found.error().kind != core::error_kind::not_found) {
            co_return found.error();
        }
        if (found) {
            for (const auto& m : *found) {
                const auto used = co_await with_.log.is_used(m.id, l.what.path);
                l.e.id = m.mark == l.mark || (!used && is_ours_unmarked(l, m)) ? m.id : l.e.id;
            }
        }
        co_return core::result<void>();
    }

    task<core::result<void>> created(letter& l, bool whole) {
        co_await with_.log.put(l.what.path, l.e);
        with_.count.bytes_done += static_cast<std::uint64_t>(whole ? l.e.size : 0);
        std::optional<attachment_marks> there;
        if (whole) {
            there = marks_of(*l.mime);
        }
        co_return co_await fill(l, std::move(there));
    }

    /// --conflict replace: what the message takes the place of goes, unless somebody has moved it away.
    task<core::result<void>> remove_replaced(letter& l) {
        if (l.e.name.empty() || with_.asked.conflict != conflict_rule::replace) {
            l.e.name.clear();
            co_return core::result<void>();
        }
        const auto& calls = l.folder->calls();
        auto there = co_await with_.graph.get_json(calls.message(l.e.name, l.what.path));
        if (!there && there.error().kind != core::error_kind::not_found) {
            co_return there.error();
        }
        if (there && sources::text(*there, "parentFolderId") == l.e.parent) {
            auto call = calls.remove(l.e.name, l.what.path);
            auto removed = co_await with_.graph.send(std::move(call));
            if (!removed && removed.error().kind != core::error_kind::not_found) {
                co_return removed.error();
            }
        }
        l.e.name.clear();
        co_return core::result<void>();
    }

    /// Adds the attachments that are not there, and removes what the message replaces; then it is done.
    task<core::result<void>> fill(letter& l, std::optional<attachment_marks> there) {
        if (l.mime->parts().empty()) {
            there = attachment_marks();
        }
        auto added =
            co_await add_attachments(with_, l.folder->calls(), l.e.id, l.mime, std::move(there), l.what.path);
        if (!added) {
            co_return added.error();
        }
        auto marks = marks_of(*l.mime);
        for (const auto& part : *added) {
            marks.erase(marks.find(part.mark));
        }
        l.e.hash = digest_of(marks);
        l.refused = std::move(*added);
        auto removed = co_await remove_replaced(l);
        if (!removed) {
            co_return removed;
        }
        co_await note_parts(l);  // before `done`: a run that is cut off here looks again
        l.e.state = outcome::done;
        l.e.detail.clear();
        co_await with_.log.put(l.what.path, l.e);
        co_return core::result<void>();
    }

    static bool has_visible_part(const mime_file& mime) {
        return std::any_of(mime.parts().begin(), mime.parts().end(), [](const mime_part& p) {
            return !p.is_inline;
        });
    }

    task<core::result<std::pair<std::string, bool>>> render(letter& l, bool parts) {
        auto work = [this, &l, parts] { return request_body(l, parts); };
        auto body = co_await with_.disk.run(std::move(work));
        co_return body;
    }

    /// The request that makes the message; true: with all its attachments in it. Blocks.
    core::result<std::pair<std::string, bool>> request_body(letter& l, bool parts) {
        auto body = message_to_create(l.staged, *l.mime, l.mark);
        std::int64_t bytes = 0;
        for (const auto& p : l.mime->parts()) {
            bytes += p.size;
        }
        const bool room = bytes == 0 || l.mime->words().body.size() <= longest_with_parts;
        if (bytes > most_in_one || !room || !parts) {
            return std::pair(sources::canonical(body), false);
        }
        json all = json::array();
        for (std::size_t n = 0; n < l.mime->parts().size(); ++n) {
            const auto& p = l.mime->parts()[n];
            if (goes_as_item(p)) {
                auto words = l.mime->nested(n);
                if (!words) {
                    return words.error();
                }
                all.push_back(
                    {{"@odata.type", "#microsoft.graph.itemAttachment"},
                     {"name", p.name},
                     {"item", item_to_attach(*words)}}
                );
                continue;
            }
            auto one = file_to_attach(p);
            auto content = part_as_base64(*l.mime, n);
            if (!content) {
                return content.error();
            }
            one["contentBytes"] = std::move(*content);
            all.push_back(std::move(one));
        }
        if (!all.empty()) {
            body["attachments"] = std::move(all);
        }
        return std::pair(sources::canonical(body), true);
    }

    /// What of a message can't be put back has entries of its own.
    task<void> note_parts(letter& l) {
        for (const auto& part : l.refused) {
            co_await note_part(l, part.name, part.why, "");
        }
        bool visible = false;
        for (const auto& p : l.mime->parts()) {
            visible = visible || (!p.is_inline && p.kind != mime_part::what::invitation);
            if (is_too_large(p)) {
                co_await note_part(
                    l, p.name, "it is larger than the 150 MB that Exchange takes", never_again
                );
            }
        }
        if (!visible && sources::is_true(l.staged, "hasAttachments")) {
            co_await note_part(
                l, "attachment",
                "a link to a file in the cloud, of which Microsoft 365 serves neither address nor bytes",
                never_again
            );
        }
        co_await close_parts(with_, l.what.path);
    }

    task<void> note_part(letter& l, std::string name, std::string why, std::string_view again) {
        entry e;
        e.hash = again;
        e.kind = "attachment";
        e.mark = l.what.mark;
        e.name = name;
        auto path = l.what.path + "\n" + name;
        co_await note(with_, std::move(path), std::move(e), outcome::failed, std::move(why));
    }

    context& with_;
    std::shared_ptr<mail_folder> top_;
    std::set<std::string> claimed_;   ///< ids that a message is about to count as its own
    std::set<std::string> replaced_;  ///< ids that one takes the place of: not another one, too
};

}  // namespace

std::unique_ptr<writer> make_mail_writer(context& with, const kind& k, const target& to) {
    return std::make_unique<mail_writer>(with, k, to);
}

}  // namespace m365stage::restore
