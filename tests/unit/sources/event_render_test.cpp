#include "sources/event_render.hpp"

#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>

#include "../../support/bare_graph.hpp"
#include "auth/encoding.hpp"
#include "core/hash.hpp"
#include "sources/calendar_item.hpp"

using namespace m365stage;
using namespace m365stage::sources;
using nlohmann::json;

namespace {

/// One answer of the fake: a body, or an error after some bytes.
struct answer {
    answer() = default;
    std::string body;
    std::optional<core::error> failure;
    std::size_t before_failure = 0;
};

answer good(std::string body) {
    answer a;
    a.body = std::move(body);
    return a;
}

answer bad(core::error_kind kind, const char* code = "") {
    answer a;
    core::error e(kind, "told so");
    e.code = code;
    a.failure = std::move(e);
    return a;
}

/// Answers by the end of the path; several answers to one come in turn, the last one for ever.
class fake_graph final : public test::bare_graph {
public:
    std::map<std::string, std::deque<answer>> answers;
    std::vector<std::string> asked;

    graph::task<core::result<json>> get_json(graph::call c) override {
        const auto a = take(c);
        if (a.failure) {
            co_return *a.failure;
        }
        co_return json::parse(a.body);
    }

    graph::task<core::result<graph::page>> get_page(graph::call c) override {
        const auto a = take(c);
        if (a.failure) {
            co_return *a.failure;
        }
        graph::page p;
        p.value = std::make_unique<json>(json::parse(a.body));
        co_return core::result<graph::page>(std::move(p));
    }

    graph::task<core::result<http::response>> download(graph::call c, http::body_sink& sink) override {
        const auto a = take(c);
        const auto size = a.failure ? a.before_failure : a.body.size();
        http::response head;
        head.status = 200;
        if (size > 0 || !a.failure) {
            auto begun = co_await sink.begin(head);
            REQUIRE(begun.has_value());
            const auto bytes = std::as_bytes(std::span(a.body.data(), size));
            auto written = co_await sink.write(bytes);
            REQUIRE(written.has_value());
        }
        if (a.failure) {
            co_return *a.failure;
        }
        co_return core::result<http::response>(std::move(head));
    }

private:
    answer take(const graph::call& c) {
        asked.push_back(c.target);
        CHECK(c.fields.find("Prefer").value_or("").find("ImmutableId") != std::string_view::npos);
        const auto path = c.target.substr(c.target.find("/events/") + 8);
        auto found = answers.find(path.substr(0, path.find("?$expand=exc")));
        if (found == answers.end()) {
            found = answers.find(path.substr(0, path.find('?')));
        }
        if (found == answers.end()) {
            return bad(core::error_kind::not_found);
        }
        auto a = found->second.front();
        if (found->second.size() > 1) {
            found->second.pop_front();
        }
        return a;
    }
};

class text_sink final : public http::body_sink {
public:
    std::string text;
    task<core::result<void>> begin(const http::response&) override { co_return core::result<void>(); }
    task<core::result<void>> write(std::span<const std::byte> bytes) override {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        co_return core::result<void>();
    }
};

struct fixture {
    fixture() {
        c.owner_kind = "user";
        c.owner_id = "ann";
        c.key = "users/ann/calendar";
        item.remote_id = "E";
        graph.answers["E"].push_back(good(event.dump()));
        graph.answers["E/attachments"].push_back(good(json::array({file("A", 5000)}).dump()));
    }

    static json file(const char* id, int size, bool in_line = false) {
        return {
            {"@odata.type", "#microsoft.graph.fileAttachment"},
            {"id", id},
            {"name", std::string("file ") + id},
            {"contentType", "text/plain"},
            {"size", size},
            {"isInline", in_line}
        };
    }

    core::result<rendered_item> render() {
        sink.text.clear();
        boost::asio::io_context io;
        core::result<rendered_item> out = core::error();
        std::exception_ptr failed;
        auto done = [&](std::exception_ptr e, core::result<rendered_item> r) {
            failed = e;
            out = std::move(r);
        };
        boost::asio::co_spawn(io, render_event(graph, c, item, sink), std::move(done));
        io.run();
        if (failed) {
            std::rethrow_exception(failed);
        }
        return out;
    }

    /// The bytes of an attachment, by what the sidecar tells of its place.
    std::string bytes_of(const json& attachment) const {
        const auto& staged = attachment.at("staged");
        auto text =
            sink.text.substr(staged["offset"].get<std::size_t>(), staged["length"].get<std::size_t>());
        std::erase_if(text, [](char ch) { return ch == '\r' || ch == '\n' || ch == ' '; });
        return auth::base64_decode(text).value_or("no base64");
    }

    json event = {
        {"id", "E"},
        {"changeKey", "K"},
        {"type", "singleInstance"},
        {"subject", "s"},
        {"hasAttachments", true},
        {"start", {{"dateTime", "2026-10-07T07:00:00"}, {"timeZone", "UTC"}}}
    };
    fake_graph graph;
    index::container c;
    index::work_item item;
    text_sink sink;
};

std::string some_bytes(std::size_t size) {
    std::string out(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        out[i] = static_cast<char>(i * 31 + i / 251);
    }
    return out;
}

}  // namespace

TEST_SUITE("sources") {
    TEST_CASE_FIXTURE(
        fixture, "render: an attachment of any size stands in the file, where the sidecar says"
    ) {
        for (const std::size_t size :
             {std::size_t(0), std::size_t(1), std::size_t(54), std::size_t(55), std::size_t(108),
              std::size_t(48'600), std::size_t(300'001)}) {
            const auto bytes = some_bytes(size);
            graph.answers["E/attachments/A/$value"] = {good(bytes)};
            const auto made = render();
            REQUIRE(made.has_value());
            CHECK(made->hash == event_key(event));
            const auto meta = json::parse(made->meta);
            const auto& told = meta["attachments"][0];
            CHECK(bytes_of(told) == bytes);
            CHECK(told["staged"]["size"] == size);
            CHECK(told["staged"]["sha256"] == core::to_hex(core::sha256::of(bytes)));
            CHECK(sink.text.find("FILENAME=\"file A\"") != std::string::npos);
        }
    }

    TEST_CASE_FIXTURE(
        fixture, "render: an attachment without a type has none in the file, unless it is a message"
    ) {
        auto plain = file("A", 4);
        plain["contentType"] = nullptr;
        auto message = plain;
        message["id"] = "B";
        message["@odata.type"] = "#microsoft.graph.itemAttachment";
        graph.answers["E/attachments"] = {good(json::array({plain, message}).dump())};
        graph.answers["E/attachments/A/$value"] = {good("some")};
        graph.answers["E/attachments/B"] = {good(message.dump())};
        graph.answers["E/attachments/B/$value"] = {good("From: x")};
        REQUIRE(render().has_value());
        CHECK(sink.text.find("ENCODING=BASE64;FILENAME=\"file A\"") != std::string::npos);
        const auto type = sink.text.find("FMTTYPE=");
        CHECK(sink.text.substr(type, 22) == "FMTTYPE=message/rfc822");
        CHECK(sink.text.find("FMTTYPE=", type + 1) == std::string::npos);
    }

    TEST_CASE_FIXTURE(
        fixture, "render: exceptions behind a link of the expanded collection belong to the series"
    ) {
        const auto exception = [](int day) {
            const auto date = "2026-11-" + std::to_string(day);
            return json{
                {"id", "X" + std::to_string(day)},
                {"type", "exception"},
                {"subject", "changed"},
                {"originalStart", date + "T07:00:00Z"},
                {"start", {{"dateTime", date + "T08:00:00"}, {"timeZone", "UTC"}}}
            };
        };
        event["type"] = "seriesMaster";
        event["hasAttachments"] = false;
        event["cancelledOccurrences"] = json::array();
        event["exceptionOccurrences"] = json::array({exception(10)});
        event["exceptionOccurrences@odata.nextLink"] = "https://graph/v1.0/users/ann/events/E/rest?$skip=1";
        graph.answers["E"] = {good(event.dump())};
        CHECK_FALSE(render().has_value());  // a part is not taken for the whole
        graph.answers["E/rest"] = {good(json::array({exception(11), exception(12)}).dump())};
        const auto made = render();
        REQUIRE(made.has_value());
        const auto meta = json::parse(made->meta);
        CHECK(meta["exceptionOccurrences"].size() == 3);
        CHECK_FALSE(meta.contains("exceptionOccurrences@odata.nextLink"));
        for (const char* day : {"20261110", "20261111", "20261112"}) {
            CHECK(sink.text.find(std::string("RECURRENCE-ID:") + day + "T070000Z") != std::string::npos);
        }
    }

    TEST_CASE_FIXTURE(fixture, "render: a transfer that breaks goes on, and no byte comes twice") {
        const auto bytes = some_bytes(100'000);
        for (const std::size_t broken : {std::size_t(0), std::size_t(1), std::size_t(54'321), bytes.size()}) {
            auto cut = bad(core::error_kind::transport);
            cut.body = bytes;
            cut.before_failure = broken;
            graph.answers["E/attachments/A/$value"] = {cut, good(bytes)};
            const auto made = render();
            REQUIRE(made.has_value());
            const auto meta = json::parse(made->meta);
            CHECK(bytes_of(meta["attachments"][0]) == bytes);
        }
    }

    TEST_CASE_FIXTURE(fixture, "render: one that never comes whole is no event without it") {
        auto cut = bad(core::error_kind::transport);
        cut.body = some_bytes(1000);
        cut.before_failure = 10;
        graph.answers["E/attachments/A/$value"] = {cut};
        const auto made = render();
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().kind == core::error_kind::transport);
    }

    TEST_CASE_FIXTURE(fixture, "render: an attachment that can't be read is named, and the event is there") {
        graph.answers["E/attachments"] = {good(json::array({file("A", 1), file("B", 1)}).dump())};
        graph.answers["E/attachments/A/$value"] = {
            bad(core::error_kind::unsupported, "ErrorCannotOpenFileAttachment")
        };
        graph.answers["E/attachments/B/$value"] = {good("fine")};
        const auto made = render();
        REQUIRE(made.has_value());
        CHECK(made->hash == made->mark);  // for ever: not asked for again
        const auto meta = json::parse(made->meta);
        CHECK(meta["attachments"][0]["unreadable"].get<std::string>().starts_with("ErrorCannotOpen"));
        CHECK(bytes_of(meta["attachments"][1]) == "fine");
        CHECK(sink.text.find("file A") == std::string::npos);
    }

    TEST_CASE_FIXTURE(fixture, "render: a refusal that may pass is asked about again") {
        graph.answers["E/attachments/A/$value"] = {bad(core::error_kind::bad_request, "ErrorOdd")};
        const auto made = render();
        REQUIRE(made.has_value());
        CHECK(made->hash != event_key(event));
        CHECK(made->mark == event_key(event));
    }

    TEST_CASE_FIXTURE(fixture, "render: an attachment that went meanwhile makes the event wait") {
        graph.answers["E/attachments/A/$value"] = {bad(core::error_kind::not_found)};
        const auto made = render();
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().kind == core::error_kind::content_changed);
        graph.answers["E"] = {bad(core::error_kind::not_found)};
        CHECK(render().error().kind == core::error_kind::not_found);
    }

    TEST_CASE_FIXTURE(
        fixture, "render: inline pictures come with their content id, though nothing counts them"
    ) {
        event["hasAttachments"] = false;
        event["body"] = {{"contentType", "html"}, {"content", "<img src=\"cid:logo@1\">"}};
        graph.answers["E"] = {good(event.dump())};
        graph.answers["E/attachments"] = {good(json::array({file("P", 3, true)}).dump())};
        auto whole = file("P", 3, true);
        whole["contentId"] = "logo@1";
        whole["contentBytes"] = "YWJj";
        graph.answers["E/attachments/P"] = {good(whole.dump())};
        const auto made = render();
        REQUIRE(made.has_value());
        const auto meta = json::parse(made->meta);
        CHECK(meta["attachments"][0]["contentId"] == "logo@1");
        CHECK(bytes_of(meta["attachments"][0]) == "abc");
    }

    TEST_CASE_FIXTURE(
        fixture, "render: where exceptions can't be asked for, single events are staged alone"
    ) {
        event["hasAttachments"] = false;
        graph.answers["E"] = {bad(core::error_kind::bad_request), good(event.dump())};
        CHECK(render().has_value());
        event["type"] = "seriesMaster";
        graph.answers["E"] = {bad(core::error_kind::bad_request), good(event.dump())};
        const auto made = render();
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().kind == core::error_kind::bad_request);
    }

    TEST_CASE_FIXTURE(fixture, "render: cancelled occurrences are asked for where they are not told") {
        event["type"] = "seriesMaster";
        event["hasAttachments"] = false;
        event["recurrence"] = {
            {"pattern", {{"type", "daily"}, {"interval", 1}}}, {"range", {{"type", "noEnd"}}}
        };
        auto more = event;
        more["cancelledOccurrences"] = {"OID.E.2026-10-09"};
        graph.answers["E"] = {good(event.dump()), good(more.dump())};
        const auto made = render();
        REQUIRE(made.has_value());
        CHECK(graph.asked.back().ends_with("?$select=id,cancelledOccurrences"));
        CHECK(sink.text.find("EXDATE:20261009T070000Z") != std::string::npos);
    }
}
