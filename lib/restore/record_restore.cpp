#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "graph/paging.hpp"
#include "restore/record_folder.hpp"
#include "restore/upload.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

using core::error_kind;
using nlohmann::json;
using sources::text;

constexpr int record_rounds = 3;

// Ids in `entry::session`, one a line: Graph's have no line breaks.
std::string joined(const std::set<std::string>& ids) {
    std::string out;
    for (const auto& id : ids) {
        out += id + "\n";
    }
    return out;
}

std::set<std::string> ids_in(const std::string& text) {
    std::set<std::string> out;
    for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
        out.insert(text.substr(at, end - at));
    }
    return out;
}

json item_of(const object& o) {
    auto item = json::parse(o.meta.item, nullptr, false);
    return item.is_object() ? item : json::object();
}

class record_writer final : public writer {
public:
    record_writer(context& with, const kind& k, const record_format& format, const target& to)
        : with_(with), format_(format) {
        auto all = std::make_shared<record_target>(with, format, to.id, journal_target(k, to));
        std::string prefix;
        if (!format.nests()) {
            for (const auto& name : to.below) {
                prefix += (prefix.empty() ? "" : " ") + name;
            }
        }
        top_ = std::make_shared<record_folder>(all, prefix);
        if (format.nests()) {
            std::string path = ":" + all->journal_name;
            for (const auto& name : to.below) {
                path = tree::join_path(path, name);
                top_ = std::make_shared<record_folder>(top_, path, name, nullptr);
            }
        }
    }

    folder_ptr top() override { return top_; }

    folder_ptr inside(folder_ptr above, const object& o) override {
        const bool named = o.state == object_state::good;
        auto parent = std::static_pointer_cast<record_folder>(std::move(above));
        return std::make_shared<record_folder>(std::move(parent), o.path, named ? o.meta.name : o.local, &o);
    }

    task<core::result<void>> put(folder_ptr into, const object& o) override {
        auto folder = std::static_pointer_cast<record_folder>(std::move(into));
        auto known = co_await with_.log.find(o.path, o.mark);
        entry e = std::move(known);
        if (e.state == outcome::done || e.state == outcome::present) {
            folder->target().claimed.insert(e.id);
            const auto again = co_await reopen_parts(with_, o.path);
            if (!again) {
                co_await with_.log.put(o.path, std::move(e));
                co_return core::result<void>();
            }
            // What belongs to it is looked at again: what was refused then may be taken now.
            e.state = e.state == outcome::done ? outcome::intended : outcome::present;
        }
        auto done = co_await put_new(*folder, o, e);
        if (!done) {
            co_return co_await note_failure(with_, o.path, std::move(e), done.error());
        }
        co_return core::result<void>();
    }

private:
    /// Errors: what becomes of the entry `e` is for the caller to note.
    task<core::result<void>> put_new(record_folder& folder, const object& o, entry& e) {
        e.kind = format_.item_word();
        e.mark = o.mark;
        auto ready = co_await folder.ensure();
        if (!ready) {
            co_return ready.error();
        }
        const bool no_more = e.name == record_to_replace && with_.asked.conflict != conflict_rule::replace;
        if (e.parent != folder.id() || no_more) {
            e.state = outcome::open;  // a folder of an earlier run, which is gone; or another rule
            e.id.clear();
            e.name.clear();
        }
        e.target = folder.target().journal_name;
        e.parent = folder.id();
        auto look = [this, &o] { return examine(with_.tree.root(), o.path); };
        auto examined = co_await with_.disk.run(std::move(look));
        if (!examined) {
            co_return examined.error();
        }
        if (examined->sha256 != o.meta.sha256 || examined->size != o.meta.size) {
            co_await note(
                with_, o.path, std::move(e), outcome::failed,
                "its bytes are not those that its sidecar tells: this copy is damaged"
            );
            co_return core::result<void>();
        }
        co_return co_await place(folder, o, e, examined->size);
    }

    /// Finds or makes the item, and gives it what belongs to it.
    task<core::result<void>> place(record_folder& folder, const object& o, entry& e, std::int64_t size) {
        const auto body = format_.body_of(item_of(o));
        const auto where = folder.address() + format_.items();
        for (int round = 0;; ++round) {
            core::result<bool> made = true;
            if (e.id.empty()) {
                made = co_await find_or_make(folder, o, e, body, where);
            }
            if (made && !*made) {
                co_return core::result<void>();
            }
            if (made) {
                folder.target().claimed.insert(e.id);
                made = co_await overwrite(folder, o, e, body, where);
            }
            if (made) {
                const auto address = folder.target().address() + where + "/" + sources::segment(e.id);
                auto whole = co_await format_.complete(with_, folder.target().owner, address, o, e);
                if (whole) {
                    with_.count.bytes_done += static_cast<std::uint64_t>(size);
                    e.hash = record_key(body);
                    e.state = e.state == outcome::present ? outcome::present : outcome::done;
                    e.detail.clear();
                    e.name = is_replaced(e) ? "" : e.name;
                    co_await with_.log.put(o.path, std::move(e));
                    co_await close_parts(with_, o.path);
                    co_return core::result<void>();
                }
                made = whole.error();
            }
            const bool gone = made.error().kind == error_kind::not_found;
            if (!e.id.empty() && !gone) {
                co_return made.error();
            }
            if (!e.id.empty()) {
                e.id.clear();  // since an earlier run made it, or since it was listed
                e.name.clear();
                e.state = outcome::open;
            }
            // Perhaps it was made, and the answer was lost.
            const bool again = gone || core::is_transient(made.error().kind);
            if (!again || round + 1 == record_rounds) {
                co_return made.error();
            }
            folder.forget();
        }
    }

    /// False: the item is dealt with, and written down; otherwise `e` has the id that it is to be found by.
    task<core::result<bool>> find_or_make(
        record_folder& folder, const object& o, entry& e, const json& body, const std::string& where
    ) {
        const auto rule = with_.asked.conflict;
        const auto identity = format_.identity_of(body);
        const auto key = record_key(body);
        // What was there before we began to make ours is not ours, whatever it is called.
        const auto before = ids_in(e.session);
        auto there = co_await folder.find(identity, key, before);
        bool may_be_ours = e.state == outcome::intended;
        if (there && !*there && !before.empty() && rule != conflict_rule::rename) {
            may_be_ours = false;
            there = co_await folder.find(identity, key, std::set<std::string>());
        }
        if (!there) {
            co_return there.error();
        }
        const auto& found = *there;
        if (found && (found->same || may_be_ours)) {
            e.id = found->id;
            e.state = may_be_ours ? outcome::intended : outcome::present;
            e.name = found->same ? "" : record_alike;
            co_return true;
        }
        if (found && rule == conflict_rule::skip) {
            folder.target().claimed.insert(found->id);
            co_await note(with_, o.path, std::move(e), outcome::skipped, "another version is there");
            co_return false;
        }
        if (found && rule == conflict_rule::replace) {
            e.id = found->id;
            e.name = record_to_replace;
            e.state = outcome::intended;
            co_return true;
        }
        if (e.state != outcome::intended) {
            e.session = joined(folder.named(identity));
        }
        e.state = outcome::intended;
        e.name.clear();
        co_await with_.log.put(o.path, e);
        auto call = folder.target().call(where, o.path);
        call.verb = http::method::post;
        call.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
        call.idempotent = false;
        auto made = co_await with_.graph.get_json(std::move(call));
        if (!made) {
            co_return made.error();
        }
        e.id = text(*made, "id");
        if (e.id.empty()) {
            co_return core::error(error_kind::protocol, "the service does not tell what it made");
        }
        co_await with_.log.put(o.path, e);
        co_return true;
    }

    /// --conflict replace: gives the item that is there the content of ours, unless that was done.
    task<core::result<bool>> overwrite(
        record_folder& folder, const object& o, entry& e, const json& body, const std::string& where
    ) {
        if (e.name != record_to_replace) {
            co_return true;
        }
        co_await with_.log.put(o.path, e);
        auto call = folder.target().call(where + "/" + sources::segment(e.id), o.path);
        auto there = co_await with_.graph.get_json(call);
        if (!there) {
            co_return there.error();
        }
        call.verb = http::method::patch;
        call.body = replacing_body(body, format_.body_of(*there))
                        .dump(-1, ' ', false, json::error_handler_t::replace);
        auto changed = co_await with_.graph.send(std::move(call));
        if (!changed) {
            co_return changed.error();
        }
        e.name = record_replaced;
        co_await with_.log.put(o.path, e);
        co_return true;
    }

    context& with_;
    const record_format& format_;
    std::shared_ptr<record_folder> top_;
};

/// Compares one folder with what was put into it.
class record_reader {
public:
    record_reader(context& with, const record_format& format, journal::written_folder where, bool last)
        : with_(with), format_(format), where_(std::move(where)), last_(last) {
        const auto owner = parse_journal_target(where_.target).second;
        target_ = std::make_shared<record_target>(with, format, owner, where_.target);
    }

    task<core::result<std::uint64_t>> run() {
        auto written = co_await with_.log.written_in(where_);
        for (const auto& [path, e] : written) {
            if (e.kind == format_.item_word()) {
                sent_.emplace(e.id, e.hash);
            }
        }
        core::result<void> listed;
        if (!sent_.empty()) {
            listed = co_await list();
        }
        for (auto& [path, e] : written) {
            core::result<bool> good = true;
            if (e.kind == format_.item_word() && !listed) {
                good = listed.error();
            } else if (e.kind == format_.item_word()) {
                good = co_await check_item(path, e);
            } else if (e.kind == format_.folder_word()) {
                good = co_await is_there(e);
            }
            if (!good) {
                auto noted = co_await note_failure(with_, path, std::move(e), good.error());
                if (!noted) {
                    co_return noted.error();
                }
            } else if (!*good) {
                auto open = co_await note_gone(with_, path, std::move(e), last_);
                open_ += open;
            }
        }
        co_return open_;
    }

private:
    /// Of what is not ours nothing is kept, and of what is as it was sent no content.
    task<core::result<void>> list() {
        auto call = target_->call(
            format_.folders() + "/" + sources::segment(where_.parent) + format_.items(), "what was put back",
            records_a_page
        );
        const auto take = [this](const json& element) {
            const auto ours = sent_.find(text(element, "id"));
            if (ours != sent_.end()) {
                auto body = format_.body_of(element);
                there_.emplace(ours->first, record_key(body) == ours->second ? json() : std::move(body));
            }
        };
        auto all = co_await graph::each_element(with_.graph, std::move(call), take);
        const bool gone = !all && all.error().kind == error_kind::not_found;
        co_return gone ? core::result<void>() : all;
    }

    task<core::result<bool>> is_there(const entry& e) {
        auto call = target_->call(format_.folders() + "/" + sources::segment(e.id), "what was put back");
        auto there = co_await with_.graph.send(std::move(call));
        if (!there && there.error().kind != error_kind::not_found) {
            co_return there.error();
        }
        co_return there.has_value();
    }

    /// False: it is gone. Two objects can't be one item: the second counts as gone.
    task<core::result<bool>> check_item(const std::string& path, const entry& e) {
        const auto found = there_.find(e.id);
        if (found == there_.end()) {
            co_return false;
        }
        const auto body = std::move(found->second);
        there_.erase(found);
        if (e.state != outcome::done || body.is_null()) {
            co_return true;
        }
        const auto slash = path.rfind('/');
        const auto folder = slash == std::string::npos ? std::string() : path.substr(0, slash);
        const auto leaf = std::string(leaf_of(path));
        auto read = [this, folder, leaf] {
            return with_.tree.read(folder, {leaf, tree::sidecar_name(leaf)});
        };
        const auto o = co_await with_.disk.run(std::move(read));
        const auto sent = format_.body_of(item_of(o));
        if (o.state == object_state::good && !is_kept(sent, body)) {
            std::string members;
            for (const auto& [key, value] : sent.items()) {
                const auto* other = sources::member(body, key);
                if (other == nullptr || !is_kept(value, *other)) {
                    members += (members.empty() ? "" : ", ") + key;
                }
            }
            entry failed = e;
            const auto why = "read back: these differ: " + members;
            if (e.name == record_alike) {
                // Somebody else's: ours is still to be made.
                auto open = co_await note_open(with_, path, std::move(failed), why, last_);
                open_ += open;
                co_return true;
            }
            co_await note(with_, path, std::move(failed), outcome::failed, why);
        }
        co_return true;
    }

    context& with_;
    const record_format& format_;
    journal::written_folder where_;
    const bool last_;
    std::shared_ptr<record_target> target_;
    std::map<std::string, std::string> sent_;  ///< id: key of the body that was sent
    std::map<std::string, json> there_;        ///< id: the body; null if it is what was sent
    std::uint64_t open_ = 0;
};

}  // namespace

std::unique_ptr<writer> make_record_writer(
    context& with, const kind& k, const record_format& format, const target& to
) {
    return std::make_unique<record_writer>(with, k, format, to);
}

task<core::result<std::uint64_t>> read_back_records(
    context& with, const record_format& format, journal::written_folder where, bool last
) {
    record_reader reader(with, format, std::move(where), last);
    co_return co_await reader.run();
}

}  // namespace m365stage::restore
