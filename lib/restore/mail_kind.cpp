#include <nlohmann/json.hpp>

#include "restore/mail_folder.hpp"
#include "restore/mail_restore.hpp"
#include "restore/owner.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

constexpr const char* root_probe = "/mailFolders/msgfolderroot?$select=id";

class mail_kind final : public kind {
public:
    std::string_view name() const override { return "mail"; }

    std::string word_for(const object& o) const override { return o.folder ? "mail folder" : "message"; }

    decision judge(const object& o, const request& asked) const override {
        if (auto d = judge_state(o)) {
            return *d;
        }
        if (asked.as_of && !o.folder) {
            const auto item = json::parse(o.meta.item, nullptr, false);
            const auto changed = sources::is_true(item, "isDraft") ? judge_as_of(o, asked) : std::nullopt;
            if (changed) {
                return *changed;
            }
            const auto received = core::parse_timestamp(sources::text(item, "receivedDateTime"));
            if (received && *received > *asked.as_of) {
                return decision::left_out("received after --as-of");
            }
        }
        return {};
    }

    effort effort_of(const object& o, const request&) const override {
        effort e;
        constexpr std::uint64_t fragment = 4'000'000, whole = 1'400'000;
        e.requests = o.folder ? 2 : 1;
        if (!o.folder) {
            e.bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(o.size, 0));
            // Attachments are read back; large ones have requests of their own.
            const auto item = json::parse(o.meta.item, nullptr, false);
            e.requests += sources::is_true(item, "hasAttachments") ? 2 : 0;
            e.requests += e.bytes > whole ? 1 + e.bytes / fragment : 0;
        }
        return e;
    }

    role_check check_roles(const std::vector<std::string>& roles, const request&) const override {
        role_check out;
        if (!has_any(roles, {"Mail.ReadWrite"})) {
            out.obstacle =
                "the restore app has no permission to write mail: grant it Mail.ReadWrite (application "
                "permission) and give admin consent";
        }
        return out;
    }

    std::string limit_key(const target& to) const override { return "mailbox " + to.id; }

    double seconds(const graph::client&, const effort& all) const override { return mailbox_seconds(all); }

    task<core::result<target>> find(graph::client& graph, place where) const override {
        return find_in_mailbox(graph, std::move(where), "mail", root_probe);
    }

    task<core::result<target>> find_origin(graph::client& graph, const container& from, std::string& note)
        const override {
        return find_mailbox_origin(graph, from, root_probe, note);
    }

    task<core::result<bool>> is_taken(context& with, const target& to, const std::string& name)
        const override {
        const mail_calls calls(to.id);
        std::string at = to.root;
        auto path = to.below;
        path.push_back(name);
        for (const auto& wanted : path) {
            auto call = calls.child_folders(at, to.label);
            auto found = co_await find_in(with.graph, std::move(call), "displayName", wanted);
            if (!found && found.error().kind != core::error_kind::not_found) {
                co_return found.error();
            }
            if (!found) {
                co_return false;
            }
            at = sources::text(*found, "id");
        }
        co_return true;
    }

    int at_once() const override { return 4; }

    std::unique_ptr<writer> begin(context& with, const container&, const target& to) const override {
        return make_mail_writer(with, *this, to);
    }

    task<core::result<std::uint64_t>> read_back(
        context& with, const journal::written_folder& where, bool last
    ) const override {
        return read_back_mail_folder(with, where, last);
    }

    std::unique_ptr<joined_file> join(const request& asked) const override {
        return asked.mbox ? make_mbox() : nullptr;
    }

    bool is_transparent(const object& o) const override { return is_month(o); }
};

}  // namespace

std::unique_ptr<kind> make_mail_kind() {
    return std::make_unique<mail_kind>();
}

}  // namespace m365stage::restore
