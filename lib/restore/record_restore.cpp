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
        if (e.parent != folder.id()) {
            e.state = outcome::open;  // a folder of an earlier run, which is gone
            e.id.clear();
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
                const auto address = folder.target().address() + where + "/" + sources::segment(e.id);
                auto whole = co_await format_.complete(with_, folder.target().owner, address, o, e);
                if (whole) {
                    with_.count.bytes_done += static_cast<std::uint64_t>(size);
                    e.hash = record_key(body);
                    e.state = e.state == outcome::present ? outcome::present : outcome::done;
                    e.detail.clear();
                    co_await with_.log.put(o.path, std::move(e));
                    co_await close_parts(with_, o.path);
                    co_return core::result<void>();
                }
                if (whole.error().kind != error_kind::not_found) {
                    co_return whole.error();
                }
                e.id.clear();  // gone since an earlier run made it
                e.state = outcome::open;
                made = whole.error();
            }
            // Perhaps it was made, and the answer was lost.
            const bool again =
                core::is_transient(made.error().kind) || made.error().kind == error_kind::not_found;
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
        auto there = co_await folder.find(format_.identity_of(body), record_key(body));
        if (!there) {
            co_return there.error();
        }
        const bool may_be_ours = e.state == outcome::intended;
        const auto& found = *there;
        auto rule = with_.asked.conflict;
        if (found && (found->same || may_be_ours)) {
            e.id = found->id;
            e.state = may_be_ours ? outcome::intended : outcome::present;
            co_return true;
        }
        if (found && rule == conflict_rule::skip) {
            folder.target().claimed.insert(found->id);
            co_await note(with_, o.path, std::move(e), outcome::skipped, "another version is there");
            co_return false;
        }
        const bool replace = found && rule == conflict_rule::replace;
        e.state = outcome::intended;
        co_await with_.log.put(o.path, e);
        auto call = folder.target().call(where + (replace ? "/" + sources::segment(found->id) : ""), o.path);
        call.verb = replace ? http::method::patch : http::method::post;
        call.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
        call.idempotent = replace;
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
        const bool items = std::any_of(written.begin(), written.end(), [&](const auto& one) {
            return one.second.kind == format_.item_word();
        });
        if (items) {
            auto listed = co_await list();
            if (!listed) {
                co_return listed.error();
            }
        }
        for (auto& [path, e] : written) {
            core::result<bool> good = true;
            if (e.kind == format_.item_word()) {
                good = co_await check_item(path, e);
            } else if (e.kind == format_.folder_word()) {
                good = co_await is_there(e);
            }
            if (!good) {
                co_return good.error();
            }
            if (!*good) {
                auto open = co_await note_gone(with_, path, std::move(e), last_);
                open_ += open;
            }
        }
        co_return open_;
    }

private:
    task<core::result<void>> list() {
        auto call = target_->call(
            format_.folders() + "/" + sources::segment(where_.parent) + format_.items(), "what was put back",
            records_a_page
        );
        auto all = co_await graph::read_list(with_.graph, std::move(call));
        if (!all && all.error().kind != error_kind::not_found) {
            co_return all.error();
        }
        for (const auto& element : all ? *all : json::array()) {
            there_.emplace(text(element, "id"), format_.body_of(element));
        }
        co_return core::result<void>();
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
        if (e.state != outcome::done || record_key(body) == e.hash) {
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
            co_await note(
                with_, path, std::move(failed), outcome::failed, "read back: these differ: " + members
            );
        }
        co_return true;
    }

    context& with_;
    const record_format& format_;
    journal::written_folder where_;
    const bool last_;
    std::shared_ptr<record_target> target_;
    std::map<std::string, json> there_;
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
