#include "restore/embedded.hpp"

#include <nlohmann/json.hpp>
#include <span>

#include "core/hash.hpp"
#include "restore/record_format.hpp"
#include "sources/task_item.hpp"
#include "sources/vcard.hpp"
#include "tests/unit/tree/support.hpp"

using namespace m365stage;
using namespace m365stage::restore;
using nlohmann::json;

namespace {

std::string encoded(const std::string& bytes) {
    return core::base64({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string all_of(const tree::stage_root& root, const std::string& path, embedded_bytes where) {
    embedded_reader reader(root, path, where);
    std::string out;
    for (;;) {
        auto part = reader.read(3000);
        REQUIRE(part.has_value());
        if (part->empty()) {
            return out;
        }
        out += *part;
    }
}

}  // namespace

TEST_SUITE("restore") {
    TEST_CASE("embedded: attachments of a task come back byte for byte, around pieces of any size") {
        test::temp_stage stage;
        std::string large;
        for (int i = 0; i < 700'001; ++i) {
            large += static_cast<char>(i * 7 + i / 256);
        }
        const json meta = {{"title", "\"contentBytes\": \"no\""}};
        const std::string text =
            sources::task_document(meta, json::array(), json::array()) +
            sources::task_attachment({{"name", "a"}}, true) + sources::task_attachment_bytes +
            encoded(large) + "\"\n    }" + sources::task_attachment({{"name", "none"}}, false) +
            ",\n      \"unreadable\": \"why\"\n    }" + sources::task_attachment({{"name", "b"}}, false) +
            sources::task_attachment_bytes + encoded("abc") + "\"\n    }\n  ]\n}\n";
        stage.write("spool/task.json", text);
        auto file = read_task_file(stage.root(), "spool/task.json");
        REQUIRE(file.has_value());
        CHECK(file->document->value("task", json()) == meta);
        REQUIRE(file->bytes.size() == 3);
        CHECK(all_of(stage.root(), "spool/task.json", file->bytes[0]) == large);
        CHECK(file->bytes[1].length == 0);
        CHECK(all_of(stage.root(), "spool/task.json", file->bytes[2]) == "abc");
    }

    TEST_CASE("embedded: what is no task's file is refused") {
        test::temp_stage stage;
        for (const char* text :
             {"", "{}", "[]", R"({"task":{}})", "{\"task\":1,\"attachments\":[{\"a\":1,\n"}) {
            stage.write("spool/x", text);
            CHECK_FALSE(read_task_file(stage.root(), "spool/x").has_value());
        }
    }

    TEST_CASE("embedded: a vCard's photo is found, whatever the card says otherwise") {
        test::temp_stage stage;
        const auto card =
            sources::vcard_without_end({{"personalNotes", "x\r\nPHOTO;ENCODING=b;TYPE=X:eHg="}}, "id");
        stage.write("spool/none.vcf", card + std::string(sources::vcard_end));
        auto none = find_photo(stage.root(), "spool/none.vcf");
        REQUIRE(none.has_value());
        CHECK_FALSE(none->has_value());
        stage.write(
            "spool/one.vcf", card + sources::vcard_photo("image/png") + encoded("picture of") + "\r\n " +
                                 encoded("!!!") + "\r\n" + std::string(sources::vcard_end)
        );
        auto one = find_photo(stage.root(), "spool/one.vcf");
        REQUIRE((one.has_value() && one->has_value()));
        CHECK((*one)->media_type == "image/png");
    }

    TEST_CASE("records: the service may add to what it was given, and may not change it") {
        const json sent = {{"a", 1}, {"list", {{{"x", "y"}}}}};
        CHECK(is_kept(sent, {{"a", 1}, {"b", 2}, {"list", {{{"x", "y"}, {"z", 1}}}}}));
        CHECK_FALSE(is_kept(sent, {{"a", 2}, {"list", {{{"x", "y"}}}}}));
        CHECK_FALSE(is_kept(sent, {{"a", 1}, {"list", json::array()}}));
        CHECK_FALSE(is_kept(sent, {{"a", 1}}));
    }

    TEST_CASE("records: what the service sets is no part of what makes two the same") {
        const auto& tasks = task_format();
        const json old = {
            {"title", "T"}, {"createdDateTime", "2026-01-01T00:00:00Z"}, {"hasAttachments", true}
        };
        const json now = {
            {"title", "T"}, {"createdDateTime", "2026-02-02T00:00:00Z"}, {"body", {{"content", ""}}}
        };
        CHECK(record_key(tasks.body_of(old)) == record_key(tasks.body_of(now)));
        CHECK(
            record_key(contact_format().body_of({{"surname", "A"}})) !=
            record_key(contact_format().body_of({{"surname", "B"}}))
        );
    }

    TEST_CASE("records: what only the other version has is emptied when it is replaced") {
        const json ours = {
            {"displayName", "Con"},
            {"homeAddress", {{"street", "1 Road"}}},
            {"body", {{"contentType", "text"}}}
        };
        const json theirs = {
            {"displayName", "Con Tact"},
            {"mobilePhone", "+1 555"},
            {"categories", {"Red"}},
            {"isReminderOn", true},
            {"homeAddress", {{"street", "2 Road"}, {"city", "Town"}}},
            {"otherAddress", {{"city", "Town"}}},
            {"recurrence", {{"pattern", {{"type", "daily"}}}}},
            {"body", {{"contentType", "text"}, {"content", "more"}}}
        };
        const json wanted = {
            {"displayName", "Con"},
            {"mobilePhone", nullptr},
            {"categories", json::array()},
            {"isReminderOn", false},
            {"homeAddress", {{"street", "1 Road"}, {"city", nullptr}}},
            {"otherAddress", {{"city", nullptr}}},
            {"recurrence", nullptr},
            {"body", {{"contentType", "text"}, {"content", nullptr}}}
        };
        CHECK(replacing_body(ours, theirs) == wanted);
        CHECK(replacing_body(ours, ours) == ours);
    }
}
