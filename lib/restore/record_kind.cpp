#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "graph/paging.hpp"
#include "restore/embedded.hpp"
#include "restore/owner.hpp"
#include "restore/record_folder.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::text;

/// All cards of a folder, one behind the other (RFC 2426 allows that).
class joined_cards final : public joined_file {
public:
    std::string ending() const override { return ".vcf"; }

    core::result<void> add(const source_tree& tree, const object& o, const take& write) override {
        return each_piece(tree.root(), o.path, write);
    }
};

class record_kind_of final : public kind {
public:
    record_kind_of(std::string name, std::string role, const record_format& format)
        : name_(std::move(name)), role_(std::move(role)), format_(format) {}

    std::string_view name() const override { return name_; }

    std::string word_for(const object& o) const override {
        return o.folder ? format_.folder_word() : format_.item_word();
    }

    decision judge(const object& o, const request& asked) const override {
        if (auto known = judge_state(o)) {
            return *known;
        }
        if (auto known = judge_as_of(o, asked, true)) {
            return *known;
        }
        return decision();
    }

    effort effort_of(const object& o, const request&) const override {
        effort e;
        e.requests = 2;  // written, and completed or looked for
        e.bytes = static_cast<std::uint64_t>(o.folder ? 0 : o.size);
        return e;
    }

    role_check check_roles(const std::vector<std::string>& roles, const request&) const override {
        role_check out;
        if (!has_any(roles, {role_})) {
            out.obstacle = "the restore app has no permission to write " + name_ + ": grant it " + role_ +
                           " (application permission) and give admin consent";
        }
        return out;
    }

    std::string limit_key(const target& to) const override { return "mailbox " + to.id; }

    double seconds(const graph::client&, const effort& all) const override { return mailbox_seconds(all); }

    task<core::result<target>> find(graph::client& graph, place where) const override {
        auto out = co_await find_in_mailbox(graph, std::move(where), name_, format_.folders());
        if (out) {
            out->label += "/" + name_;
        }
        co_return out;
    }

    task<core::result<target>> find_origin(graph::client& graph, const container& from, std::string& note)
        const override {
        return find_mailbox_origin(graph, from, format_.folders(), note);
    }

    task<core::result<bool>> is_taken(context& with, const target& to, const std::string& name)
        const override {
        record_target all(with, format_, to.id, journal_target(*this, to));
        std::string wanted;
        for (const auto& one : to.below) {
            wanted += one + " ";
        }
        wanted = format_.nests() ? name : wanted + name;
        auto call = all.call(format_.folders(), to.label, records_a_page);
        auto folders = co_await graph::read_list(with.graph, std::move(call));
        if (!folders) {
            co_return folders.error();
        }
        co_return std::any_of(folders->begin(), folders->end(), [&](const json& folder) {
            const auto there = folded(text(folder, "displayName"));
            return format_.nests() ? there == folded(wanted) : there.starts_with(folded(wanted));
        });
    }

    int at_once() const override { return 4; }  // as many as a mailbox allows

    std::unique_ptr<writer> begin(context& with, const container&, const target& to) const override {
        return make_record_writer(with, *this, format_, to);
    }

    task<core::result<std::uint64_t>> read_back(
        context& with, const journal::written_folder& where, bool last
    ) const override {
        return read_back_records(with, format_, where, last);
    }

    std::unique_ptr<joined_file> join(const request&) const override {
        return format_.joins_cards() ? std::make_unique<joined_cards>() : nullptr;
    }

private:
    std::string name_, role_;
    const record_format& format_;
};

}  // namespace

std::unique_ptr<kind> make_record_kind(std::string name, std::string role, const record_format& format) {
    return std::make_unique<record_kind_of>(std::move(name), std::move(role), format);
}

json replacing_body(const json& body, const json& there) {
    json out = body;
    for (const auto& [key, value] : there.items()) {
        const bool told = out.contains(key);
        if (value.is_object() && (key == "body" || key.ends_with("Address"))) {
            for (const auto& [part, text] : value.items()) {
                if (!told || !out[key].contains(part)) {
                    out[key][part] = nullptr;
                }
            }
        } else if (!told) {
            out[key] = value.is_array() ? json::array() : value.is_boolean() ? json(false) : json();
        }
    }
    return out;
}

std::string record_key(const json& body) {
    return core::short_tag(sources::canonical(body));
}

bool is_kept(const json& sent, const json& there) {
    if (sent.is_object()) {
        return there.is_object() &&
               std::all_of(sent.items().begin(), sent.items().end(), [&](const auto& one) {
                   const auto* other = sources::member(there, one.key());
                   return other != nullptr && is_kept(one.value(), *other);
               });
    }
    if (sent.is_array()) {
        return there.is_array() && sent.size() == there.size() &&
               std::equal(sent.begin(), sent.end(), there.begin(), &is_kept);
    }
    return sent == there;
}

}  // namespace m365stage::restore
