#include "restore/event_attachments.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "auth/encoding.hpp"
#include "restore/hash_sink.hpp"
#include "restore/upload.hpp"
#include "sources/event_render.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using core::error_kind;
using nlohmann::json;
using sources::text;

// As the source wrote them (sources/ics_stream.cpp): lines of 54 bytes, 72 characters, CRLF and a blank.
constexpr std::int64_t bytes_a_line = 54;
static_assert(bytes_a_piece % bytes_a_line == 0);
constexpr std::int64_t text_a_line = 72;
constexpr std::int64_t text_between = 3;

// Contract 8.2: up to 3 MB in one request, above by a session.
constexpr std::int64_t largest_at_once = 2'900'000;
constexpr int attachment_tries = 3;
// Failures of a session without progress between them.
constexpr int session_failures = 5;

/// An item as it may be posted: without what the service fills in itself (contract 8.2).
json cleaned(json item) {
    for (const char* key :
         {"id", "changeKey", "createdDateTime", "lastModifiedDateTime", "isDraft", "isOrganizer",
          "hasAttachments", "parentFolderId", "internetMessageHeaders", "conversationId", "conversationIndex",
          "webLink", "bodyPreview", "iCalUId", "uid", "attachments"}) {
        item.erase(key);
    }
    for (auto it = item.begin(); it != item.end();) {
        const auto& key = it.key();
        it =
            key.find("@odata.") != std::string::npos && key != "@odata.type" ? item.erase(it) : std::next(it);
    }
    return item;
}

}  // namespace

task<core::result<std::string>> hash_of_attachment(graph::client& graph, graph::call call) {
    for (int tries = 1;; ++tries) {
        hash_sink sink;
        auto answer = co_await graph.download(call, sink);
        if (answer) {
            co_return sink.finish();
        }
        const auto why = answer.error();
        if (!core::is_transient(why.kind) || tries == attachment_tries) {
            co_return why;
        }
    }
}

task<core::result<void>> event_attachments::bring(
    std::vector<staged_attachment> wanted, bool fresh, bool alone
) {
    listed_ = fresh;
    if (!fresh) {
        auto listed = co_await list();
        if (!listed) {
            co_return listed;
        }
    }
    for (const auto& a : wanted) {
        if (!a.unreadable.empty()) {
            auto noted = co_await note_lost(a, "it was not staged: " + a.unreadable, never_again);
            if (!noted) {
                co_return noted;
            }
            continue;
        }
        auto there = co_await is_there(a);
        if (!there) {
            co_return there.error();
        }
        if (*there) {
            continue;
        }
        auto added = co_await add(a);
        if (!added) {
            co_return added;
        }
    }
    for (const auto& other : there_) {
        if (alone && !other.kept && !other.is_new) {
            auto call = calls_.remove_attachment(into_, other.id, file_);
            auto gone = co_await with_.graph.send(std::move(call));
            if (!gone && gone.error().kind != error_kind::not_found) {
                co_return gone.error();
            }
        }
    }
    co_return core::result<void>();
}

/// What is known of those that were listed before stays known.
task<core::result<void>> event_attachments::list() {
    auto call = calls_.attachments(into_, file_);
    auto all = co_await sources::list_attachments(with_.graph, std::move(call));
    if (!all) {
        co_return all.error();
    }
    std::vector<remote> now;
    for (const auto& element : *all) {
        remote r;
        r.id = text(element, "id");
        r.name = text(element, "name");
        r.is_new = listed_;
        const auto known =
            std::find_if(there_.begin(), there_.end(), [&r](const remote& k) { return k.id == r.id; });
        now.push_back(known == there_.end() ? std::move(r) : *known);
    }
    there_ = std::move(now);
    listed_ = true;
    co_return core::result<void>();
}

/// By name and content. The name has to do for items, which are served as the service writes them, and for
/// what the service has but can't open: another one beside it would not be better off.
task<core::result<bool>> event_attachments::is_there(const staged_attachment& a) {
    for (auto& r : there_) {
        if (r.kept || r.name != a.name) {
            continue;
        }
        if (a.item.empty() && !r.hashed) {
            auto call = calls_.attachment_bytes(into_, r.id, file_);
            auto hash = co_await hash_of_attachment(with_.graph, std::move(call));
            if (!hash && core::is_transient(hash.error().kind)) {
                co_return hash.error();
            }
            r.hashed = true;
            r.sha256 = hash ? *hash : std::string();
            r.unreadable = !hash && hash.error().kind != error_kind::not_found;
        }
        if (!a.item.empty() || r.unreadable || r.sha256 == a.sha256) {
            r.kept = true;
            co_return true;
        }
    }
    co_return false;
}

task<core::result<void>> event_attachments::add(const staged_attachment& a) {
    for (int tries = 1;; ++tries) {
        core::result<void> done;
        if (a.size <= largest_at_once) {
            done = co_await add_small(a);
        } else {
            done = co_await add_large(a);
        }
        if (done) {
            with_.count.bytes_done += static_cast<std::uint64_t>(a.size);
            co_return done;
        }
        const auto why = done.error();
        const bool again = core::is_transient(why.kind) && tries < attachment_tries;
        if (!again && !core::is_transient(why.kind) && !ends_all(why) && why.kind != error_kind::disk) {
            co_return co_await note_lost(a, reason_of(why));
        }
        if (!again) {
            co_return why;
        }
        // The answer may have been lost: look before it is sent again.
        auto listed = co_await list();
        if (!listed) {
            co_return listed;
        }
        auto there = co_await is_there(a);
        if (!there || *there) {
            co_return there ? core::result<void>() : core::result<void>(there.error());
        }
    }
}

task<core::result<void>> event_attachments::add_small(const staged_attachment& a) {
    json body{{"name", a.name}, {"isInline", a.is_inline}};
    if (!a.item.empty()) {
        body["@odata.type"] = "#microsoft.graph.itemAttachment";
        body["item"] = cleaned(json::parse(a.item, nullptr, false));
    } else {
        auto read = [this, &a] { return read_text(a, 0, a.size); };
        auto bytes = co_await with_.disk.run(std::move(read));
        if (!bytes) {
            co_return bytes.error();
        }
        body["@odata.type"] = "#microsoft.graph.fileAttachment";
        body["contentBytes"] = std::move(*bytes);
        if (!a.content_type.empty()) {
            body["contentType"] = a.content_type;
        }
        if (!a.content_id.empty()) {
            body["contentId"] = a.content_id;
        }
    }
    auto sent = sources::canonical(body);
    co_await with_.pace.admit(calls_.mailbox(), sent.size());
    auto call = calls_.add_attachment(into_, std::move(sent), file_);
    auto answer = co_await with_.graph.send(std::move(call));
    if (!answer) {
        co_return answer.error();
    }
    const auto made = json::parse(answer->body, nullptr, false);
    remote r;
    r.id = text(made, "id");
    r.name = a.name;
    r.kept = r.is_new = true;
    there_.push_back(std::move(r));  // so that no other of the same name and bytes is taken for it
    co_return core::result<void>();
}

task<core::result<void>> event_attachments::add_large(const staged_attachment& a) {
    json item{{"attachmentType", "file"}, {"name", a.name}, {"size", a.size}, {"isInline", a.is_inline}};
    if (!a.content_type.empty()) {
        item["contentType"] = a.content_type;
    }
    if (!a.content_id.empty()) {
        item["contentId"] = a.content_id;
    }
    const json body{{"AttachmentItem", item}};
    auto call = calls_.begin_upload(into_, body, file_);
    auto begun = co_await with_.graph.get_json(std::move(call));
    if (!begun) {
        co_return begun.error();
    }
    const auto address = text(*begun, "uploadUrl");
    if (address.empty()) {
        co_return core::error(error_kind::protocol, "the service tells no address to send it to");
    }
    co_return co_await send_pieces(a, address);
}

task<core::result<void>> event_attachments::send_pieces(const staged_attachment& a, std::string address) {
    std::int64_t at = 0;
    for (int failures = 0; at < a.size;) {
        auto bytes = co_await read_piece(a, at);
        if (!bytes) {
            co_return bytes.error();
        }
        const auto size = std::ssize(*bytes);
        co_await with_.pace.admit(calls_.mailbox(), static_cast<std::uint64_t>(size));
        auto put = calls_.piece(address, at, a.size, std::move(*bytes), file_);
        auto answer = co_await with_.graph.send(std::move(put));
        if (answer && answer->status == 201) {
            co_return core::result<void>();
        }
        if (answer) {
            failures = 0;
            const auto next = next_expected(answer->body);
            at = next && *next < a.size ? *next : at + size;
            continue;
        }
        auto why = answer.error();
        if (ends_all(why) && why.kind != error_kind::unauthorized) {
            co_return why;
        }
        // The answer was lost, or a part of the bytes: the session knows how far it is. When it is gone, so
        // may be what was lost: whoever called looks what is there.
        std::optional<std::int64_t> next;
        if (++failures < session_failures) {
            auto asked = calls_.progress(address, file_);
            auto state = co_await with_.graph.send(std::move(asked));
            next = state ? next_expected(state->body) : std::nullopt;
        }
        if (!next || *next >= a.size) {
            const bool gone = why.kind == error_kind::unauthorized || why.kind == error_kind::not_found;
            why.kind = gone ? error_kind::transport : why.kind;
            co_return why;
        }
        at = *next;
    }
    co_return core::result<void>();
}

/// The bytes of one piece, which may begin anywhere.
task<core::result<std::string>> event_attachments::read_piece(const staged_attachment& a, std::int64_t at) {
    const auto from = at - at % bytes_a_line;
    const auto size = std::min(bytes_a_piece, a.size - from);
    auto read = [this, &a, from, size] { return read_text(a, from, size); };
    auto base64 = co_await with_.disk.run(std::move(read));
    if (!base64) {
        co_return base64.error();
    }
    auto bytes = auth::base64_decode(*base64);
    if (!bytes || std::ssize(*bytes) != size) {
        co_return core::error(error_kind::disk, "its text in the file is not base64");
    }
    bytes->erase(0, static_cast<std::size_t>(at - from));
    co_return std::move(*bytes);
}

task<core::result<void>> event_attachments::note_lost(
    const staged_attachment& a, std::string why, std::string_view again
) {
    entry e;
    e.hash = again;
    lost_.push_back(a.sha256);
    e.kind = "attachment";
    co_await note(with_, file_ + "\n" + a.name, std::move(e), outcome::failed, std::move(why));
    co_return core::result<void>();
}

/// The base64 text of some of its bytes; `from` is a multiple of a line's.
core::result<std::string> event_attachments::read_text(
    const staged_attachment& a, std::int64_t from, std::int64_t size
) const {
    auto fd = with_.tree.root().open_file(file_);
    if (!fd) {
        return fd.error();
    }
    const auto lines = from / bytes_a_line;
    const auto start = a.offset + lines * (text_a_line + text_between);
    const auto wanted_lines = (size + bytes_a_line - 1) / bytes_a_line;
    const auto end = std::min(a.offset + a.length, start + wanted_lines * (text_a_line + text_between));
    std::string text(static_cast<std::size_t>(std::max<std::int64_t>(0, end - start)), '\0');
    std::size_t got = 0;
    while (got < text.size()) {
        const auto n =
            ::pread(fd->get(), text.data() + got, text.size() - got, start + static_cast<std::int64_t>(got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            core::error e(
                error_kind::disk, n < 0 ? std::strerror(errno) : "the file ends in the middle of it"
            );
            return std::move(e).on(file_);
        }
        got += static_cast<std::size_t>(n);
    }
    std::erase_if(text, [](char c) { return c == '\r' || c == '\n' || c == ' '; });
    return text;
}

}  // namespace m365stage::restore
