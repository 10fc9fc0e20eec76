#include "restore/mail_attachments.hpp"

#include <nlohmann/json.hpp>

#include "restore/hash_sink.hpp"
#include "restore/kind.hpp"
#include "restore/mail_json.hpp"
#include "restore/part_source.hpp"
#include "restore/upload.hpp"
#include "sources/event_render.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::text;

constexpr std::int64_t session_from = 3'000'000;  // below that an attachment is posted whole
constexpr std::int64_t largest = 150ll << 20;
constexpr std::int64_t session_fragment = std::int64_t{12} * 327'680;
// Failures without progress between them, after which an attachment is given up for this run.
constexpr int session_failures = 5;

std::string mark_of_part(const mime_part& p) {
    return goes_as_item(p) ? "item " + p.name : "file " + p.sha256;
}

task<core::result<std::string>> hash_of(context& with, graph::call call) {
    core::error why;
    for (int n = 0; n < session_failures; ++n) {
        hash_sink sink;
        auto read = co_await with.graph.download(call, sink);
        if (read) {
            co_return sink.finish();
        }
        why = read.error();
        if (!core::is_transient(why.kind)) {
            break;
        }
        auto& clock = async::system_timing();
        co_await clock.sleep_until(clock.now() + std::chrono::milliseconds(200) * (1 << n));
    }
    co_return why;
}

/// One attachment on its way.
class attacher {
public:
    attacher(
        context& with, const mail_calls& calls, std::string message, std::shared_ptr<mime_file> mime,
        std::string object
    )
        : with_(with),
          calls_(calls),
          message_(std::move(message)),
          mime_(std::move(mime)),
          object_(std::move(object)) {}

    task<core::result<void>> add(std::size_t number) {
        const auto& part = mime_->parts()[number];
        if (goes_as_item(part)) {
            co_return co_await add_item(number);
        }
        if (part.size < session_from) {
            co_return co_await add_small(number);
        }
        co_return co_await add_large(number);
    }

private:
    task<core::result<void>> add_item(std::size_t number) {
        auto look = [this, number] { return mime_->nested(number); };
        auto words = co_await with_.disk.run(std::move(look));
        if (!words) {
            co_return words.error();
        }
        const json body{
            {"@odata.type", "#microsoft.graph.itemAttachment"},
            {"name", mime_->parts()[number].name},
            {"item", item_to_attach(*words)}
        };
        auto call = calls_.add_attachment(message_, object_);
        call.body = sources::canonical(body);
        co_await with_.pace.admit(calls_.owner(), call.body.size());
        auto added = co_await with_.graph.send(std::move(call));
        if (!added) {
            co_return added.error();
        }
        co_return core::result<void>();
    }

    task<core::result<void>> add_small(std::size_t number) {
        const auto& part = mime_->parts()[number];
        auto before = sources::canonical(file_to_attach(part));
        before.back() = ',';
        before += "\"contentBytes\":\"";
        auto call = calls_.add_attachment(message_, object_);
        call.source = part_in_json(with_.disk, mime_, number, std::move(before), "\"}");
        call.fields.set("Content-Type", "application/json");
        co_await with_.pace.admit(calls_.owner(), call.source->size());
        auto added = co_await with_.graph.send(std::move(call));
        if (!added) {
            co_return added.error();
        }
        with_.count.bytes_done += static_cast<std::uint64_t>(part.size);
        co_return core::result<void>();
    }

    task<core::result<void>> add_large(std::size_t number) {
        const auto& part = mime_->parts()[number];
        json item{
            {"attachmentType", "file"},
            {"name", file_name_of(part)},
            {"size", part.size},
            {"contentType", part.content_type},
            {"isInline", part.is_inline}
        };
        if (!part.content_id.empty()) {
            item["contentId"] = part.content_id;
        }
        const json body{{"AttachmentItem", std::move(item)}};
        auto answer = co_await with_.graph.get_json(calls_.begin_upload(message_, body, object_));
        if (!answer) {
            co_return answer.error();
        }
        const auto url = text(*answer, "uploadUrl");
        if (url.empty()) {
            core::error e(core::error_kind::protocol, "the service began an upload without an address");
            co_return std::move(e).on(object_);
        }
        co_return co_await send_fragments(number, url);
    }

    graph::call at_session(const std::string& url) const {
        graph::call c;
        c.target = url;
        c.where = graph::scope(graph::service::outlook, calls_.owner());
        c.object = object_;
        return c;
    }

    task<core::result<void>> send_fragments(std::size_t number, std::string url) {
        const auto total = mime_->parts()[number].size;
        std::int64_t at = 0;
        for (int failures = 0;;) {
            const auto size = std::min(session_fragment, total - at);
            auto call = at_session(url);
            call.verb = http::method::put;
            call.fields.set(
                "Content-Range", "bytes " + std::to_string(at) + "-" + std::to_string(at + size - 1) + "/" +
                                     std::to_string(total)
            );
            call.source = stretch_of_part(with_.disk, mime_, number, at, size);
            co_await with_.pace.admit(calls_.owner(), static_cast<std::uint64_t>(size));
            auto answer = co_await with_.graph.send(std::move(call));
            if (answer) {
                failures = 0;
                with_.count.bytes_done += static_cast<std::uint64_t>(size);
                if (answer->status == 201 || at + size >= total) {
                    co_return core::result<void>();
                }
                const auto next = next_expected(answer->body);
                at = next && *next < total ? *next : at + size;
                continue;
            }
            // The answer was lost, or a part of the bytes: the session knows how far it is. When it is gone,
            // so is what was lost: whoever called looks which attachments are there.
            if (++failures >= session_failures) {
                co_return answer.error();
            }
            auto state = co_await with_.graph.send(at_session(url));
            const auto next = state ? next_expected(state->body) : std::nullopt;
            if (!next || *next >= total) {
                core::error lost = state ? answer.error() : state.error();
                lost.kind = core::error_kind::transport;
                co_return lost;
            }
            at = *next;
        }
    }

    context& with_;
    const mail_calls& calls_;
    std::string message_;
    std::shared_ptr<mime_file> mime_;
    std::string object_;
};

}  // namespace

bool is_too_large(const mime_part& part) {
    return part.size > largest;
}

bool goes_as_item(const mime_part& part) {
    return part.kind == mime_part::what::message && !part.has_parts;
}

attachment_marks marks_of(const mime_file& mime) {
    attachment_marks out;
    for (const auto& p : mime.parts()) {
        if (!is_too_large(p)) {
            out.insert(mark_of_part(p));
        }
    }
    return out;
}

std::string digest_of(const attachment_marks& marks) {
    std::string all;
    for (const auto& one : marks) {
        all += one + "\n";
    }
    return core::short_tag(all, 26);
}

task<core::result<attachment_marks>> read_attachments(
    context& with, const mail_calls& calls, std::string message, std::string object
) {
    attachment_marks out;
    auto call = calls.attachments(message, object);
    const auto all = co_await sources::list_attachments(with.graph, std::move(call));
    if (!all) {
        co_return all.error();
    }
    for (const auto& one : *all) {
        const auto type = text(one, "@odata.type");
        if (type.ends_with("itemAttachment")) {
            out.insert("item " + text(one, "name"));
        } else if (type.ends_with("fileAttachment") || type.empty()) {
            auto hash = co_await hash_of(with, calls.attachment_bytes(message, text(one, "id"), object));
            if (!hash) {
                co_return hash.error();
            }
            out.insert("file " + *hash);
        }
    }
    co_return out;
}

task<core::result<std::vector<refused_part>>> add_attachments(
    context& with, const mail_calls& calls, std::string message, std::shared_ptr<mime_file> mime,
    std::optional<attachment_marks> there, std::string object
) {
    attacher one(with, calls, message, mime, object);
    core::error why;
    for (int round = 0; round < session_failures; ++round) {
        if (!there) {
            auto read = co_await read_attachments(with, calls, message, object);
            if (!read) {
                co_return read.error();
            }
            there = std::move(*read);
        }
        std::vector<refused_part> refused;
        bool again = false;
        for (std::size_t n = 0; n < mime->parts().size() && !again; ++n) {
            const auto& part = mime->parts()[n];
            if (is_too_large(part)) {
                continue;
            }
            if (const auto found = there->find(mark_of_part(part)); found != there->end()) {
                there->erase(found);
                continue;
            }
            auto added = co_await one.add(n);
            if (added) {
                continue;
            }
            why = added.error();
            if (why.kind == core::error_kind::bad_request || why.kind == core::error_kind::too_large ||
                why.kind == core::error_kind::unsupported) {
                refused.emplace_back(mark_of_part(part), part.name, reason_of(why));
                continue;
            }
            if (!core::is_transient(why.kind)) {
                co_return why;
            }
            // Its answer may have been lost: look what is there now.
            there.reset();
            again = true;
        }
        if (!again) {
            co_return refused;
        }
    }
    co_return why;
}

}  // namespace m365stage::restore
