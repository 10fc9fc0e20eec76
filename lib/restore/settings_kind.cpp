#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "graph/paging.hpp"
#include "restore/owner.hpp"
#include "restore/record_folder.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"
#include "tree/names.hpp"

namespace m365stage::restore {
namespace {

using core::error_kind;
using nlohmann::json;
using sources::member;
using sources::text;

constexpr const char* replies_off =
    "they were on when they were staged, and are off now: their texts are restored, "
    "switching them on is left to their owner";
constexpr const char* replies_theirs =
    "they are on now, with other texts than those that were staged: they stay as they are";
constexpr const char* folder_gone =
    "the folder that the rule puts mail into is not there under its old id: make the rule by hand";

/// Members of mailboxSettings that can be written.
constexpr std::array writable{
    "automaticRepliesSetting",
    "dateFormat",
    "delegateMeetingMessageDeliveryOptions",
    "language",
    "timeFormat",
    "timeZone",
    "workingHours"
};

json list_of(const json& item, const char* key) {
    const auto* list = member(item, key);
    return list != nullptr && list->is_array() ? *list : json::array();
}

/// A member as it is written. Automatic replies never begin to be sent by themselves.
json wanted_setting(const std::string& key, json value) {
    if (key == "language") {
        return json{{"locale", text(value, "locale")}};
    }
    if (key == "automaticRepliesSetting" && value.is_object()) {
        value["status"] = "disabled";
        value.erase("scheduledStartDateTime");
        value.erase("scheduledEndDateTime");
    }
    return value;
}

bool is_on(const json& replies) {
    return text(replies, "status") != "disabled";
}

/// What is not as it was staged after a restore of automatic replies; nullptr: nothing.
const char* replies_differ(const json& staged, json wanted, const json& there) {
    if (!is_on(there)) {
        return is_on(staged) ? replies_off : nullptr;
    }
    wanted.erase("status");
    return is_kept(wanted, there) ? nullptr : replies_theirs;
}

json wanted_rule(json rule) {
    for (const char* read_only : {"id", "hasError", "isReadOnly"}) {
        rule.erase(read_only);
    }
    return rule;
}

/// Nothing has to be made for settings.
class no_folder final : public target_folder {
public:
    task<core::result<void>> ensure() override { co_return core::result<void>(); }
};

/// One mailbox' settings, rules and categories: what of them is missing, and putting that there.
class settings_writer {
public:
    settings_writer(context& with, std::string owner, std::string path)
        : with_(with), owner_(std::move(owner)), path_(std::move(path)) {}

    /// Puts what is missing, if `write`; how many things were missing. What can't be put has entries of its
    /// own.
    task<core::result<int>> run(json item, bool write) {
        write_ = write;
        const auto* settings = member(item, "mailboxSettings");
        const auto staged = settings == nullptr ? json::object() : *settings;
        auto set = co_await each_setting(staged);
        if (!set) {
            co_return set.error();
        }
        auto named = co_await each_object("/outlook/masterCategories", list_of(item, "masterCategories"));
        if (!named) {
            co_return named.error();
        }
        auto ruled = co_await each_object("/mailFolders/inbox/messageRules", list_of(item, "messageRules"));
        if (!ruled) {
            co_return ruled.error();
        }
        co_return missing_;
    }

private:
    graph::call call(const std::string& below) const {
        return sources::mailbox_call(owner_, sources::mailbox_address("user", owner_) + below, path_, 250);
    }

    task<core::result<void>> each_setting(const json& settings) {
        auto answer = co_await with_.graph.get_json(call("/mailboxSettings"));
        if (!answer) {
            co_return answer.error();
        }
        for (const std::string key : writable) {
            const auto* staged = member(settings, key);
            const auto* there = member(*answer, key);
            if (staged == nullptr) {
                continue;
            }
            const auto wanted = wanted_setting(key, *staged);
            if (key == "automaticRepliesSetting" && there != nullptr) {
                const auto differs = replies_differ(*staged, wanted, *there);
                if (write_ && differs != nullptr) {
                    co_await tell("automatic replies", outcome::skipped, differs);
                }
                // Replies that are on now are somebody's who is away.
                if (is_on(*there)) {
                    continue;
                }
            }
            if (there != nullptr && is_kept(wanted, *there)) {
                continue;
            }
            auto patch = call("/mailboxSettings");
            patch.verb = http::method::patch;
            patch.body = json{{key, wanted}}.dump(-1, ' ', false, json::error_handler_t::replace);
            auto put = co_await put_one(std::move(patch), "setting " + key);
            if (!put) {
                co_return put.error();
            }
        }
        co_return core::result<void>();
    }

    /// Rules and categories that are not there are made; those that are stay as they are.
    task<core::result<void>> each_object(std::string where, json all) {
        if (all.empty()) {
            co_return core::result<void>();
        }
        auto there = co_await graph::read_list(with_.graph, call(where));
        if (!there) {
            co_return there.error();
        }
        for (auto& one : all) {
            one = wanted_rule(std::move(one));
            const bool known = std::any_of(there->begin(), there->end(), [&](const json& other) {
                return folded(text(other, "displayName")) == folded(text(one, "displayName")) &&
                       (!one.contains("actions") || is_kept(one["actions"], other.value("actions", json())));
            });
            if (known) {
                continue;
            }
            const auto name = (one.contains("actions") ? "rule " : "category ") + text(one, "displayName");
            auto folders = co_await has_folders(one);
            if (!folders) {
                co_return folders.error();
            }
            if (!*folders && write_) {
                co_await tell(name, outcome::failed, folder_gone);
            }
            if (!*folders) {
                continue;
            }
            auto post = call(where);
            post.verb = http::method::post;
            post.idempotent = false;
            post.body = one.dump(-1, ' ', false, json::error_handler_t::replace);
            auto put = co_await put_one(std::move(post), name);
            if (!put) {
                co_return put.error();
            }
        }
        co_return core::result<void>();
    }

    task<core::result<bool>> has_folders(const json& rule) {
        const auto* actions = member(rule, "actions");
        for (const char* key : {"moveToFolder", "copyToFolder"}) {
            const auto id = actions == nullptr ? std::string() : text(*actions, key);
            if (id.empty()) {
                continue;
            }
            auto there =
                co_await with_.graph.send(call("/mailFolders/" + sources::segment(id) + "?$select=id"));
            if (!there && !sources::is_not_offered(there.error())) {
                co_return there.error();
            }
            if (!there) {
                co_return false;
            }
        }
        co_return true;
    }

    task<core::result<void>> put_one(graph::call request, std::string what) {
        ++missing_;
        if (!write_) {
            co_return core::result<void>();
        }
        auto done = co_await with_.graph.send(std::move(request));
        if (!done && (core::is_transient(done.error().kind) || ends_all(done.error()))) {
            co_return done.error();
        }
        if (!done) {
            --missing_;
            co_await tell(std::move(what), outcome::failed, reason_of(done.error()));
        }
        co_return core::result<void>();
    }

    task<void> tell(std::string what, outcome state, std::string why) {
        entry e;
        e.kind = "setting";
        e.mark = what;
        e.name = what;
        co_await note(with_, path_ + "\n" + what, std::move(e), state, std::move(why));
    }

    context& with_;
    const std::string owner_, path_;
    bool write_ = false;
    int missing_ = 0;
};

class settings_of_container final : public writer {
public:
    settings_of_container(context& with, const kind& k, const target& to)
        : with_(with), owner_(to.id), target_(journal_target(k, to)) {}

    folder_ptr top() override { return std::make_shared<no_folder>(); }
    folder_ptr inside(folder_ptr above, const object&) override { return above; }

    task<core::result<void>> put(folder_ptr, const object& o) override {
        auto known = co_await with_.log.find(o.path, o.mark);
        entry e = std::move(known);
        e.kind = "settings";
        e.mark = o.mark;
        e.target = target_;
        e.parent = owner_;
        settings_writer all(with_, owner_, o.path);
        auto put = co_await all.run(json::parse(o.meta.item, nullptr, false), true);
        if (!put) {
            co_return co_await note_failure(with_, o.path, std::move(e), put.error());
        }
        e.state = *put > 0 || e.state == outcome::done ? outcome::done : outcome::present;
        e.detail.clear();
        co_await with_.log.put(o.path, std::move(e));
        co_return core::result<void>();
    }

private:
    context& with_;
    std::string owner_, target_;
};

class settings_kind final : public kind {
public:
    std::string_view name() const override { return "settings"; }
    std::string word_for(const object&) const override { return "settings"; }

    decision judge(const object& o, const request& asked) const override {
        if (!asked.settings) {
            return decision::left_out("mailbox settings, rules and categories go back only with --settings");
        }
        return judge_state(o).value_or(decision());
    }

    effort effort_of(const object&, const request&) const override {
        effort e;
        e.requests = 10;  // looked at twice, and a few writes
        return e;
    }

    role_check check_roles(const std::vector<std::string>& roles, const request& asked) const override {
        role_check out;
        if (!asked.settings) {
            out.notes.emplace_back(
                "mailbox settings, rules and categories stay out: --settings puts them back"
            );
        }
        if (asked.settings && !has_any(roles, {"MailboxSettings.ReadWrite"})) {
            out.obstacle =
                "the restore app has no permission to write mailbox settings: grant it "
                "MailboxSettings.ReadWrite (application permission) and give admin consent";
        }
        return out;
    }

    std::string limit_key(const target& to) const override { return "mailbox " + to.id; }

    double seconds(const graph::client&, const effort& all) const override { return mailbox_seconds(all); }

    task<core::result<target>> find(graph::client& graph, place where) const override {
        auto out = co_await find_in_mailbox(graph, std::move(where), "settings", "/mailboxSettings");
        if (out) {
            out->label += "/settings";
            out->below.clear();
        }
        co_return out;
    }

    task<core::result<target>> find_origin(graph::client& graph, const container& from, std::string& note)
        const override {
        auto owner = co_await find_owner_of(graph, from, "/mailboxSettings", note);
        if (!owner && owner.error().kind == error_kind::forbidden) {
            // Perhaps nobody asked for settings, and the app may not see them: see `check_roles`.
            found_owner same;
            same.id = from.owner_id;
            same.label = from.path;
            owner = std::move(same);
        }
        if (!owner) {
            co_return owner.error();
        }
        auto out = mailbox_target(*owner);
        out.origin = out.id == from.owner_id;
        co_return out;
    }

    /// A mailbox has one set of settings, whatever folder other things go into.
    task<core::result<bool>> is_taken(context&, const target&, const std::string&) const override {
        co_return false;
    }

    int at_once() const override { return 1; }

    std::unique_ptr<writer> begin(context& with, const container&, const target& to) const override {
        return std::make_unique<settings_of_container>(with, *this, to);
    }

    task<core::result<std::uint64_t>> read_back(
        context& with, const journal::written_folder& where, bool last
    ) const override {
        auto written = co_await with.log.written_in(where);
        std::uint64_t open = 0;
        for (auto& [path, e] : written) {
            const auto slash = path.rfind('/');
            const auto folder = slash == std::string::npos ? std::string() : path.substr(0, slash);
            const std::string leaf(leaf_of(path));
            auto read = [&with, folder, leaf] {
                return with.tree.read(folder, {leaf, tree::sidecar_name(leaf)});
            };
            const auto o = co_await with.disk.run(std::move(read));
            settings_writer all(with, where.parent, path);
            auto missing = co_await all.run(json::parse(o.meta.item, nullptr, false), false);
            if (!missing) {
                auto noted = co_await note_failure(with, path, std::move(e), missing.error());
                if (!noted) {
                    co_return noted.error();
                }
            } else if (*missing > 0) {
                auto more = co_await note_gone(with, path, std::move(e), last);
                open += more;
            }
        }
        co_return open;
    }
};

}  // namespace

std::unique_ptr<kind> make_settings_kind() {
    return std::make_unique<settings_kind>();
}

}  // namespace m365stage::restore
