#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "graph/paging.hpp"
#include "restore/embedded.hpp"
#include "restore/record_folder.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"
#include "sources/task_item.hpp"

namespace m365stage::restore {
namespace {

using core::error_kind;
using nlohmann::json;
using sources::text;

constexpr std::int64_t longest_inline = 4 << 20;             // as base64: 3 MB of bytes
constexpr std::size_t fragment = std::size_t{12} * 327'680;  // a multiple of 320 KiB, below 4 MB

/// Gives one task what belongs to it. What is there already counts.
class completer {
public:
    completer(context& with, const std::string& owner, const std::string& address, const object& o, entry e)
        : with_(with), owner_(owner), address_(address), object_(o), entry_(std::move(e)) {}

    task<core::result<void>> run() {
        auto read = [this] { return read_task_file(with_.tree.root(), object_.path); };
        auto file = co_await with_.disk.run(std::move(read));
        if (!file) {
            co_return file.error();
        }
        for (const char* what : {"checklistItems", "linkedResources"}) {
            auto given = co_await parts(what, file->document->value(what, json::array()));
            if (!given) {
                co_return given.error();
            }
        }
        if (!file->bytes.empty() || is_replaced(entry_)) {
            co_return co_await attachments(*file);
        }
        co_return core::result<void>();
    }

private:
    graph::call call(const std::string& below) const {
        return sources::mailbox_call(owner_, address_ + below, object_.path, 100);
    }

    graph::call post(const std::string& below, const json& body) const {
        auto out = call(below);
        out.verb = http::method::post;
        out.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
        out.idempotent = false;
        return out;
    }

    /// What only looks alike after a lost answer is looked for again by the caller's next round.
    task<core::result<void>> parts(std::string what, json wanted) {
        if (wanted.empty() && !is_replaced(entry_)) {
            co_return core::result<void>();
        }
        auto there = co_await graph::read_list(with_.graph, call("/" + what));
        if (!there) {
            co_return there.error();
        }
        for (auto& part : wanted) {
            part.erase("createdDateTime");  // the service sets these
            part.erase("checkedDateTime");
            const auto same = std::find_if(there->begin(), there->end(), [&](const json& one) {
                return is_kept(part, one);
            });
            if (same != there->end()) {
                there->erase(same);
                continue;
            }
            auto made = co_await with_.graph.send(post("/" + what, part));
            if (!made) {
                auto left = co_await leave(made.error(), what + ": " + text(part, "displayName"));
                if (!left) {
                    co_return left;
                }
            }
        }
        co_return co_await remove_rest(what, std::move(*there));
    }

    /// What only the version had that this one takes the place of.
    task<core::result<void>> remove_rest(std::string what, json rest) {
        if (!is_replaced(entry_)) {
            co_return core::result<void>();
        }
        for (const auto& part : rest) {
            auto request = call("/" + what + "/" + sources::segment(text(part, "id")));
            request.verb = http::method::del;
            auto removed = co_await with_.graph.send(std::move(request));
            if (!removed && removed.error().kind != error_kind::not_found) {
                const auto name = text(part, what == "attachments" ? "name" : "displayName");
                auto left = co_await leave(removed.error(), what + " of the other version: " + name);
                if (!left) {
                    co_return left;
                }
            }
        }
        co_return core::result<void>();
    }

    task<core::result<void>> attachments(const task_file& file) {
        auto there = co_await graph::read_list(with_.graph, call("/attachments"));
        if (!there) {
            co_return there.error();
        }
        const auto all = file.document->value("attachments", json::array());
        for (std::size_t i = 0; i < all.size(); ++i) {
            const auto same = std::find_if(there->begin(), there->end(), [&](const json& one) {
                return text(one, "name") == text(all[i], "name") && is_as_long(one, all[i]);
            });
            if (same != there->end()) {
                there->erase(same);
                continue;
            }
            auto put = co_await attach(all[i], file.bytes[i]);
            if (!put) {
                auto left = co_await leave(put.error(), "attachment: " + text(all[i], "name"));
                if (!left) {
                    co_return left;
                }
            }
        }
        co_return co_await remove_rest("attachments", std::move(*there));
    }

    static bool is_as_long(const json& a, const json& b) {
        const auto* x = sources::member(a, "size");
        const auto* y = sources::member(b, "size");
        return x == nullptr || y == nullptr || *x == *y;
    }

    task<core::result<void>> attach(const json& what, embedded_bytes where) {
        if (sources::member(what, "unreadable") != nullptr) {
            co_return core::error(error_kind::unsupported, "its bytes could not be staged");
        }
        if (where.length > longest_inline) {
            co_return co_await upload(what, where);
        }
        embedded_reader reader(with_.tree.root(), object_.path, where);
        auto read = [&reader] { return reader.read(static_cast<std::size_t>(longest_inline)); };
        auto bytes = co_await with_.disk.run(std::move(read));
        if (!bytes) {
            co_return bytes.error();
        }
        json body = {{"@odata.type", "#microsoft.graph.taskFileAttachment"}, {"name", text(what, "name")}};
        if (const auto type = text(what, "contentType"); !type.empty()) {
            body["contentType"] = type;
        }
        const auto* raw = reinterpret_cast<const std::uint8_t*>(bytes->data());
        body["contentBytes"] = core::base64({raw, bytes->size()});
        co_await with_.pace.admit(owner_, bytes->size() / 3 * 4);
        auto made = co_await with_.graph.send(post("/attachments", body));
        if (!made) {
            co_return made.error();
        }
        co_return core::result<void>();
    }

    /// Large ones go in fragments; an upload that breaks off is begun again with the next try.
    task<core::result<void>> upload(const json& what, embedded_bytes where) {
        const auto* size = sources::member(what, "size");
        const auto total = size != nullptr && size->is_number_integer() ? size->get<std::int64_t>() : 0;
        const json body = {
            {"attachmentInfo", {{"attachmentType", "file"}, {"name", text(what, "name")}, {"size", total}}}
        };
        auto session = co_await with_.graph.get_json(post("/attachments/createUploadSession", body));
        if (!session) {
            co_return session.error();
        }
        const auto address = text(*session, "uploadUrl");
        embedded_reader reader(with_.tree.root(), object_.path, where);
        for (std::int64_t at = 0; at < total;) {
            auto read = [&reader] { return reader.read(fragment); };
            auto bytes = co_await with_.disk.run(std::move(read));
            if (!bytes || bytes->empty()) {
                core::error e(error_kind::protocol, "the attachment is shorter than it should be");
                co_return bytes ? std::move(e) : bytes.error();
            }
            const auto length = static_cast<std::int64_t>(bytes->size());
            auto put = call("");
            put.target = address + "/content";
            put.verb = http::method::put;
            put.fields.set("Content-Type", "application/octet-stream");
            put.fields.set(
                "Content-Range", "bytes " + std::to_string(at) + "-" + std::to_string(at + length - 1) + "/" +
                                     std::to_string(total)
            );
            put.body = std::move(*bytes);
            co_await with_.pace.admit(owner_, put.body.size());
            auto sent = co_await with_.graph.send(std::move(put));
            if (!sent) {
                co_return sent.error();
            }
            at += length;
        }
        co_return core::result<void>();
    }

    /// A part that can't be put there for good has an entry of its own; other failures are the caller's.
    task<core::result<void>> leave(core::error why, std::string part) {
        if (core::is_transient(why.kind) || ends_all(why)) {
            co_return why;
        }
        entry e;
        e.kind = "part of a task";
        e.mark = object_.mark;
        e.target = entry_.target;
        co_await note(with_, object_.path + "\n" + part, std::move(e), outcome::failed, reason_of(why));
        co_return core::result<void>();
    }

    context& with_;
    const std::string owner_, address_;
    const object& object_;
    entry entry_;
};

class tasks final : public record_format {
public:
    std::string folders() const override { return "/todo/lists"; }
    std::string items() const override { return "/tasks"; }
    std::string well_known_folder() const override { return "defaultList"; }
    bool nests() const override { return false; }
    std::string folder_word() const override { return "task list"; }
    std::string item_word() const override { return "task"; }
    bool joins_cards() const override { return false; }

    json body_of(const json& item) const override {
        json body = sources::task_facts(item);
        for (const char* set_by_service : {"createdDateTime", "hasAttachments"}) {
            body.erase(set_by_service);
        }
        if (!body.contains("title")) {
            body["title"] = "(no title)";  // the service wants one
        }
        return body;
    }

    std::string identity_of(const json& body) const override {
        const auto* due = sources::member(body, "dueDateTime");
        return folded(text(body, "title")) + "\n" + (due == nullptr ? "" : text(*due, "dateTime"));
    }

    task<core::result<void>> complete(
        context& with, const std::string& owner, const std::string& address, const object& o, entry e
    ) const override {
        completer one(with, owner, address, o, std::move(e));
        co_return co_await one.run();
    }
};

}  // namespace

const record_format& task_format() {
    static const tasks one;
    return one;
}

}  // namespace m365stage::restore
