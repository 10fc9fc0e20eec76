#include "sources/event_render.hpp"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "auth/encoding.hpp"
#include "graph/paging.hpp"
#include "sources/calendar_item.hpp"
#include "sources/fields.hpp"
#include "sources/ics_event.hpp"
#include "sources/ics_stream.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using core::error_kind;
using nlohmann::json;

// Those come as JSON, which alone names the content id that a body shows them by; larger ones as a stream.
constexpr std::int64_t largest_in_json = 3 << 20;
constexpr int most_tries = 4;
// An attachment that is not there each time it is asked for is as good as unreadable.
constexpr int most_quiet_tries = 3;

/// What of an attachment is worth keeping.
json described(const json& attachment) {
    json out = json::object();
    for (const char* key :
         {"@odata.type", "name", "contentType", "size", "isInline", "contentId", "contentLocation", "item"}) {
        if (const auto* value = member(attachment, key)) {
            out[key] = *value;
        }
    }
    return out;
}

std::int64_t size_of(const json& attachment) {
    const auto* size = member(attachment, "size");
    return size != nullptr && size->is_number_integer() ? size->get<std::int64_t>() : 0;
}

std::string parameter(std::string_view in) {
    std::string out;
    for (const char c : in) {
        const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
        out += control ? ' ' : c == '"' ? '\'' : c;
    }
    return out;
}

/// One event, whole.
class event_reader {
public:
    event_reader(graph::client& graph, const index::container& c, const std::string& id)
        : graph_(graph),
          container_(c),
          address_(mailbox_address(c.owner_kind, c.owner_id) + "/events/" + segment(id)) {}

    task<core::result<json>> run() {
        auto event = co_await get(address_ + "?$expand=exceptionOccurrences");
        if (!event && event.error().kind == error_kind::bad_request) {
            // A cloud that does not know exceptions by that name: what has none is staged all the same.
            auto plain = co_await get(address_);
            if (plain && text(*plain, "type") != "seriesMaster") {
                co_return plain;
            }
        }
        if (!event || text(*event, "type") != "seriesMaster") {
            co_return event;
        }
        auto whole = co_await rest_of_exceptions(*event);
        if (!whole) {
            co_return whole.error();
        }
        if (event->contains("cancelledOccurrences")) {
            co_return event;
        }
        // Some tell the cancelled ones only when they are asked for by name.
        auto more = co_await get(address_ + "?$select=id,cancelledOccurrences");
        if (!more) {
            co_return more.error();
        }
        if (const auto* cancelled = member(*more, "cancelledOccurrences")) {
            (*event)["cancelledOccurrences"] = *cancelled;
        }
        co_return event;
    }

private:
    task<core::result<json>> get(std::string target) {
        auto call = calendar_call(container_, std::move(target));
        co_return co_await graph_.get_json(std::move(call));
    }

    /// An expanded collection may go on behind a link of its own.
    task<core::result<void>> rest_of_exceptions(json& event) {
        constexpr const char* link = "exceptionOccurrences@odata.nextLink";
        auto target = text(event, link);
        event.erase(link);
        if (target.empty()) {
            co_return core::result<void>();
        }
        auto& all = event["exceptionOccurrences"];
        if (!all.is_array() || !graph_.is_own(target)) {
            co_return core::error(
                error_kind::protocol, "the service does not give the rest of the series' exceptions"
            );
        }
        auto call = calendar_call(container_, std::move(target));
        auto rest = co_await graph::read_list(graph_, std::move(call));
        if (!rest) {
            co_return rest.error();
        }
        for (auto& one : *rest) {
            all.push_back(std::move(one));
        }
        co_return core::result<void>();
    }

    graph::client& graph_;
    const index::container& container_;
    std::string address_;
};

class renderer {
public:
    renderer(
        graph::client& graph, const index::container& c, const index::work_item& item, http::body_sink& out
    )
        : graph_(graph),
          container_(c),
          item_(item),
          out_(out),
          base_(mailbox_address(c.owner_kind, c.owner_id) + "/events/") {}

    task<core::result<rendered_item>> run() {
        auto event = co_await read_event(graph_, container_, item_.remote_id);
        if (!event) {
            co_return event.error();
        }
        auto written = co_await write(*event);
        if (!written) {
            co_return written.error();
        }
        rendered_item made;
        made.mark = made.hash = event_key(*event);
        made.hash += doubtful_ ? " incomplete" : "";  // asked for again in the next pass
        const auto meta = event_metadata(std::move(*event));
        made.meta = canonical(meta);
        co_return made;
    }

private:
    task<core::result<json>> get(std::string target) {
        auto call = calendar_call(container_, std::move(target));
        co_return co_await graph_.get_json(std::move(call));
    }

    task<core::result<void>> write(json& event) {
        auto ics = make_ics(event);
        auto done = co_await out_.put(std::move(ics.head));
        auto* exceptions = event.contains("exceptionOccurrences") && event["exceptionOccurrences"].is_array()
                               ? &event["exceptionOccurrences"]
                               : nullptr;
        for (std::size_t i = 0; done && i < ics.events.size(); ++i) {
            auto& one = i == 0 ? event : (*exceptions)[i - 1];
            done = co_await write_one(one, std::move(ics.events[i]));
        }
        if (!done) {
            co_return done;
        }
        co_return co_await out_.put(std::move(ics.tail));
    }

    task<core::result<void>> write_one(json& event, ics_piece piece) {
        auto done = co_await out_.put(std::move(piece.before));
        if (done) {
            done = co_await attachments(event);
        }
        if (!done) {
            co_return done;
        }
        co_return co_await out_.put(std::move(piece.after));
    }

    /// The service does not count inline pictures as attachments (contract Q77).
    static bool may_have_attachments(const json& event) {
        const auto* body = member(event, "body");
        return is_true(event, "hasAttachments") ||
               (body != nullptr && text(*body, "content").find("cid:") != std::string::npos);
    }

    task<core::result<void>> attachments(json& event) {
        const auto id = text(event, "id");
        if (id.empty() || !may_have_attachments(event)) {
            co_return core::result<void>();
        }
        const auto address = base_ + segment(id) + "/attachments";
        auto call = calendar_call(
            container_, address + "?$select=id,name,contentType,size,isInline,lastModifiedDateTime"
        );
        auto all = co_await list_attachments(graph_, std::move(call));
        if (!all) {
            if (!is_given_up(all.error())) {
                co_return all.error();
            }
            note_refusal(all.error());
            event["attachments"] = json{{"unreadable", reason_of(all.error())}};
            co_return core::result<void>();
        }
        for (auto& one : *all) {
            auto done = co_await attachment(address, one);
            if (!done) {
                co_return done;
            }
        }
        if (!all->empty()) {
            event["attachments"] = std::move(*all);
        }
        co_return core::result<void>();
    }

    /// True if asking again is not worth it: the event is staged without.
    bool is_given_up(const core::error& e) const {
        if (e.kind == error_kind::not_found) {
            return item_.attempts >= most_quiet_tries;
        }
        return e.kind == error_kind::unsupported || e.kind == error_kind::bad_request ||
               e.kind == error_kind::forbidden || e.kind == error_kind::malware ||
               e.code == "ErrorCannotOpenFileAttachment";
    }

    /// Some refusals are for ever; of others nobody knows.
    void note_refusal(const core::error& e) {
        doubtful_ = doubtful_ || (e.kind != error_kind::unsupported && e.kind != error_kind::malware);
    }

    /// One attachment: its bytes as a property, and in `one` what is known of it instead of its listing.
    task<core::result<void>> attachment(std::string address, json& one) {
        address += "/" + segment(text(one, "id"));
        const auto type = text(one, "@odata.type");
        const bool in_json = is_true(one, "isInline") && size_of(one) <= largest_in_json;
        const bool item = type == "#microsoft.graph.itemAttachment";
        std::string bytes;
        if (in_json || item) {
            auto target = address + (item ? "?$expand=microsoft.graph.itemattachment/item" : "");
            auto whole = co_await get(std::move(target));
            if (!whole) {
                co_return failed(one, whole.error());
            }
            const auto* content = member(*whole, "contentBytes");
            auto decoded = content != nullptr && content->is_string()
                               ? auth::base64_decode(content->get_ref<const std::string&>())
                               : std::nullopt;
            bytes = decoded.value_or("");
            one.update(described(*whole));
        }
        if (type == "#microsoft.graph.referenceAttachment") {
            one = described(one);
            one["unreadable"] = "Microsoft Graph does not say what a reference attachment refers to";
            co_return core::result<void>();
        }
        if (bytes.empty()) {
            co_return co_await stream(address + "/$value", one);
        }
        co_return co_await from_memory(std::move(bytes), one);
    }

    /// Notes that it can't be read; or the error that makes the whole event wait.
    core::result<void> failed(json& one, core::error e) {
        if (e.kind == error_kind::not_found && !is_given_up(e)) {
            // Taken away meanwhile: the event is another one now.
            e.kind = error_kind::content_changed;
            return e;
        }
        if (!is_given_up(e)) {
            return e;
        }
        note_refusal(e);
        one = described(one);
        one["unreadable"] = reason_of(e);
        return core::result<void>();
    }

    task<core::result<void>> open(json& one) {
        const auto type = text(one, "contentType");
        std::string line = "ATTACH;VALUE=BINARY;ENCODING=BASE64";
        if (!type.empty()) {
            line += ";FMTTYPE=\"" + parameter(type) + "\"";
        } else if (text(one, "@odata.type") == "#microsoft.graph.itemAttachment") {
            line += ";FMTTYPE=message/rfc822";
        }
        line += ";FILENAME=\"" + parameter(text(one, "name")) + "\":";
        auto head = folded(line) + "\r\n ";
        co_return co_await out_.put(std::move(head));
    }

    task<core::result<void>> close(json& one, base64_lines& lines, std::int64_t from) {
        auto done = co_await lines.finish();
        if (!done) {
            co_return done;
        }
        one = described(one);
        one["staged"] = json{
            {"offset", from},
            {"length", out_.written() - from},
            {"size", lines.bytes()},
            {"sha256", lines.sha256()}
        };
        co_return co_await out_.put("\r\n");
    }

    task<core::result<void>> from_memory(std::string bytes, json& one) {
        auto done = co_await open(one);
        if (!done) {
            co_return done;
        }
        const auto from = out_.written();
        base64_lines lines(out_);
        done = co_await lines.write(std::as_bytes(std::span(bytes.data(), bytes.size())));
        if (!done) {
            co_return done;
        }
        co_return co_await close(one, lines, from);
    }

    /// Opens the property when the first byte has come, so that a refused attachment leaves no trace.
    class late_sink final : public http::body_sink {
    public:
        late_sink(renderer& r, json& one) : renderer_(r), one_(one), lines_(r.out_) {}

        task<core::result<void>> begin(const http::response& head) override {
            if (from_ < 0) {
                auto opened = co_await renderer_.open(one_);
                if (!opened) {
                    co_return opened;
                }
                from_ = renderer_.out_.written();
            }
            co_return co_await lines_.begin(head);
        }

        task<core::result<void>> write(std::span<const std::byte> bytes) override {
            co_return co_await lines_.write(bytes);
        }

        bool opened() const { return from_ >= 0; }
        std::int64_t from() const { return from_; }
        base64_lines& lines() { return lines_; }

    private:
        renderer& renderer_;
        json& one_;
        base64_lines lines_;
        std::int64_t from_ = -1;
    };

    task<core::result<void>> stream(std::string address, json& one) {
        late_sink sink(*this, one);
        for (int tries = 1;; ++tries) {
            auto call = calendar_call(container_, address);
            auto answer = co_await graph_.download(std::move(call), sink);
            if (answer) {
                if (!sink.opened()) {
                    co_await sink.begin(*answer);  // there was no byte
                }
                co_return co_await close(one, sink.lines(), sink.from());
            }
            auto e = answer.error();
            if (!sink.opened() &&
                (!core::is_transient(e.kind) || e.code == "ErrorCannotOpenFileAttachment")) {
                co_return failed(one, std::move(e));
            }
            if (!core::is_transient(e.kind) || tries >= most_tries) {
                co_return e;
            }
        }
    }

    graph::client& graph_;
    const index::container& container_;
    const index::work_item& item_;
    ics_stream out_;
    std::string base_;
    bool doubtful_ = false;  ///< an attachment was refused that may be readable the next time
};

}  // namespace

task<core::result<json>> read_event(graph::client& graph, const index::container& c, std::string id) {
    event_reader one(graph, c, id);
    auto event = co_await one.run();
    co_return event;
}

task<core::result<json>> list_attachments(graph::client& graph, graph::call call) {
    json all = json::array();
    std::unordered_set<std::string> known;
    while (!call.target.empty()) {
        auto page = co_await graph.get_page(call);
        if (!page) {
            co_return page.error();
        }
        bool any_new = false;
        for (auto& one : *page->value) {
            const auto id = text(one, "id");
            if (!id.empty() && known.insert(id).second) {
                any_new = true;
                all.push_back(std::move(one));
            }
        }
        call.target = any_new ? page->next_link : std::string();
    }
    co_return all;
}

graph::call calendar_call(const index::container& c, std::string target, unsigned page_size) {
    auto call = mailbox_call(c.owner_id, std::move(target), c.key, page_size);
    const std::string prefer(call.fields.find("Prefer").value_or(""));
    call.fields.set("Prefer", prefer + ", outlook.timezone=\"UTC\"");
    return call;
}

task<core::result<rendered_item>> render_event(
    graph::client& graph, const index::container& c, const index::work_item& item, http::body_sink& out
) {
    renderer r(graph, c, item, out);
    co_return co_await r.run();
}

}  // namespace m365stage::sources
