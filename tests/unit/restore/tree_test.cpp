#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/fsuid.h>

#include <filesystem>
#include <fstream>

#include "core/hash.hpp"
#include "restore/drive_restore.hpp"
#include "restore/export.hpp"
#include "tree/names.hpp"

using namespace m365stage;
namespace fs = std::filesystem;

namespace {

class temp_folder {
public:
    temp_folder() {
        std::string pattern = (fs::temp_directory_path() / "m365unit-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = fs::canonical(pattern).string();
    }
    ~temp_folder() {
        std::error_code ec;
        fs::remove_all(path_, ec);
    }
    temp_folder(const temp_folder&) = delete;
    temp_folder& operator=(const temp_folder&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

void write(const fs::path& at, std::string_view text) {
    fs::create_directories(at.parent_path());
    std::ofstream(at, std::ios::binary) << text;
}

std::string read(const fs::path& at) {
    std::ifstream file(at, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

tree::sidecar sidecar(std::string type, std::string name) {
    tree::sidecar s;
    s.kind = "drive";
    s.type = std::move(type);
    s.id = "id of " + name;
    s.name = std::move(name);
    s.item = R"({"parentReference":{"driveId":"b!1"}})";
    return s;
}

void describe(const fs::path& object, const tree::sidecar& s) {
    write(
        object.parent_path() / tree::sidecar_folder / tree::sidecar_name(object.filename().string()),
        tree::render(s)
    );
}

void add_file(const fs::path& at, const std::string& text) {
    write(at, text);
    auto s = sidecar("file", at.filename().string());
    s.size = static_cast<std::int64_t>(text.size());
    s.sha256 = core::to_hex(core::sha256::of(text));
    describe(at, s);
}

/// A tree with one drive, as Bareos restores it below another folder.
fs::path make_tree(const fs::path& where) {
    const auto tree = where / "var/lib/m365stage/tree";
    const auto drive = tree / "users/ann@contoso.com/onedrive";
    fs::create_directories(drive);
    auto c = sidecar("container", "OneDrive");
    c.id = "b!1";
    c.root_id = "root";
    c.owner = R"({"id":"u1","kind":"user","name":"ann@contoso.com"})";
    describe(drive, c);
    fs::create_directories(drive / "Reports");
    describe(drive / "Reports", sidecar("folder", "Reports"));
    add_file(drive / "Reports/a.txt", "hello");
    return tree;
}

std::vector<std::string> export_all(
    const fs::path& from, const fs::path& to, restore::export_counts& counts
) {
    auto source = restore::source_tree::find(from.string());
    REQUIRE(source.has_value());
    fs::create_directories(to);
    auto target = tree::stage_root::open_copy(to.string());
    REQUIRE(target.has_value());
    std::vector<std::string> left;
    const std::function<void(const std::string&, const std::string&)> problem =
        [&](const std::string& path, const std::string& why) { left.push_back(path + ": " + why); };
    auto done = restore::export_files(**source, restore::request(), **target, problem);
    REQUIRE(done.has_value());
    counts = *done;
    return left;
}

}  // namespace

TEST_SUITE("restore: tree") {
    TEST_CASE("a tree is found from above, from inside, and as itself") {
        const temp_folder t;
        const auto top = make_tree(t.path());
        for (const auto& from :
             {fs::path(t.path()), top, top / "users", top / "users/ann@contoso.com/onedrive/Reports"}) {
            auto found = restore::source_tree::find(from.string());
            REQUIRE(found.has_value());
            CAPTURE((*found)->start());
            CHECK((*found)->root().path() == top.string());
            const auto containers = (*found)->containers({});
            REQUIRE(containers.has_value());
            CHECK(containers->flawed.empty());
            REQUIRE(containers->all.size() == 1);
            CHECK(containers->all.front().path == "users/ann@contoso.com/onedrive");
            CHECK(containers->all.front().id == "b!1");
            CHECK(containers->all.front().owner_name == "ann@contoso.com");
        }
    }

    TEST_CASE("only what may hold something selected is looked at") {
        const temp_folder t;
        make_tree(t.path());
        auto found = restore::source_tree::find(t.path());
        REQUIRE(found.has_value());
        for (const auto& [pattern, seen] :
             {std::pair("users/ann@*", true), std::pair("users/bela@*", false), std::pair("*.txt", true),
              std::pair("users/ann@contoso.com/onedrive/Reports", true), std::pair("sites", false)}) {
            restore::request asked;
            asked.select = {pattern};
            CAPTURE(pattern);
            CHECK((*found)->containers(asked)->all.size() == (seen ? 1 : 0));
        }
    }

    TEST_CASE("without its container's sidecar, an item tells the drive") {
        const temp_folder t;
        const auto top = make_tree(t.path());
        fs::remove_all(top / "users/ann@contoso.com/.m365");
        auto found = restore::source_tree::find(t.path());
        REQUIRE(found.has_value());
        const auto containers = (*found)->containers({});
        REQUIRE(containers.has_value());
        CHECK(containers->flawed.empty());
        REQUIRE(containers->all.size() == 1);
        CHECK(containers->all.front().path == "users/ann@contoso.com/onedrive");
        CHECK(containers->all.front().id == "b!1");
        CHECK(containers->all.front().owner_kind == "user");
    }

    TEST_CASE("a container whose own sidecar is damaged is found by what lies in it, and told") {
        const temp_folder t;
        const auto top = make_tree(t.path());
        const std::string drive = "users/ann@contoso.com/onedrive";
        write(top / "users/ann@contoso.com/.m365/onedrive.json", "{\"kind\":\"dri");
        for (const auto& from : {top, top / drive, top / drive / "Reports"}) {
            auto found = restore::source_tree::find(from.string());
            REQUIRE(found.has_value());
            CAPTURE((*found)->start());
            const auto containers = (*found)->containers({});
            REQUIRE(containers.has_value());
            REQUIRE(containers->all.size() == 1);
            CHECK(containers->all.front().path == drive);
            CHECK(containers->all.front().id == "b!1");
            REQUIRE(containers->flawed.size() == 1);
            CHECK(containers->flawed.front().path == drive);
            CHECK(containers->flawed.front().why.find("its sidecar is damaged") != std::string::npos);
        }
    }

    TEST_CASE("a container's sidecar without its folder is no container, and told where it is selected") {
        const temp_folder t;
        const auto top = make_tree(t.path());
        fs::remove_all(top / "users/ann@contoso.com/onedrive");
        auto found = restore::source_tree::find(t.path());
        REQUIRE(found.has_value());
        for (const auto& [pattern, told] :
             {std::pair("users/ann@*", 1), std::pair("users/ann@*/onedrive/Reports", 1),
              std::pair("users/bela@*", 0)}) {
            restore::request asked;
            asked.select = {pattern};
            CAPTURE(pattern);
            const auto containers = (*found)->containers(asked);
            REQUIRE(containers.has_value());
            CHECK(containers->all.empty());
            REQUIRE(containers->flawed.size() == static_cast<std::size_t>(told));
            CHECK((told == 0 || containers->flawed.front().path == "users/ann@contoso.com/onedrive"));
        }
    }

    TEST_CASE("a part of a tree under another name is found by users/ and sidecars in it") {
        const temp_folder t;
        add_file(fs::path(t.path()) / "some/where/users/ann@contoso.com/onedrive/Reports/a.txt", "hello");
        fs::create_directories(t.path() + "/home/users/somebody");  // no sidecars: another folder of the name
        auto found = restore::source_tree::find(t.path());
        REQUIRE(found.has_value());
        CHECK((*found)->root().path() == t.path() + "/some/where");
        const auto containers = (*found)->containers({});
        REQUIRE(containers.has_value());
        REQUIRE(containers->all.size() == 1);
        CHECK(containers->all.front().path == "users/ann@contoso.com/onedrive");
    }

    TEST_CASE("a part that does not tell whose it is has to be named itself") {
        const temp_folder t;
        const auto part = fs::path(t.path()) / "some/where/Reports";
        add_file(part / "a.txt", "hello");
        const auto above = restore::source_tree::find(t.path());
        REQUIRE(above.has_error());
        CHECK(above.error().kind == core::error_kind::usage);
        CHECK(above.error().hint.find(part.string()) != std::string::npos);
        const auto itself = restore::source_tree::find(part.string());
        REQUIRE(itself.has_value());
        CHECK((*itself)->is_part());
    }

    TEST_CASE("a folder without sidecars, and two trees, are refused") {
        const temp_folder t;
        fs::create_directories(t.path() + "/empty");
        auto none = restore::source_tree::find(t.path() + "/empty");
        REQUIRE(none.has_error());
        CHECK(none.error().kind == core::error_kind::usage);
        make_tree(t.path() + "/one");
        make_tree(t.path() + "/two");
        auto both = restore::source_tree::find(t.path());
        REQUIRE(both.has_error());
        CHECK(both.error().cause.find("more than one tree") != std::string::npos);
    }

    TEST_CASE("links are not followed, and damaged sidecars are told") {
        const temp_folder t;
        const auto top = make_tree(t.path());
        const auto reports = top / "users/ann@contoso.com/onedrive/Reports";
        fs::remove(reports / "a.txt");
        fs::create_symlink("/etc/passwd", reports / "a.txt");
        auto found = restore::source_tree::find(t.path());
        REQUIRE(found.has_value());
        const std::string folder = "users/ann@contoso.com/onedrive/Reports";
        CHECK((*found)->read(folder, {"a.txt", "a.txt.json"}).state == restore::object_state::odd);
        auto text = read(reports / ".m365/a.txt.json");
        text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
        write(reports / ".m365/a.txt.json", text);
        CHECK(
            (*found)->read(folder, {"a.txt", "a.txt.json"}).state == restore::object_state::damaged_sidecar
        );
        CHECK((*found)->read(folder, {"", "a.txt.json"}).state == restore::object_state::damaged_sidecar);
        CHECK((*found)->read(folder, {"a.txt", ""}).state == restore::object_state::no_sidecar);
    }

    TEST_CASE("a sidecar may be as long as those that are staged and verified") {
        const temp_folder t;
        const auto top = make_tree(t.path());
        auto s = sidecar("folder", "Reports");
        s.item = R"({"description":")" + std::string(20u << 20, 'x') + R"("})";
        describe(top / "users/ann@contoso.com/onedrive/Reports", s);
        auto found = restore::source_tree::find(t.path());
        REQUIRE(found.has_value());
        const auto o = (*found)->read("users/ann@contoso.com/onedrive", {"Reports", "Reports.json"});
        CHECK(o.state == restore::object_state::good);
        CHECK(o.meta.item.size() == s.item.size());
    }
}

TEST_SUITE("restore: export") {
    TEST_CASE("an export has the files without sidecars; again, it writes nothing") {
        const temp_folder t;
        make_tree(t.path() + "/from");
        const fs::path to = t.path() + "/to";
        restore::export_counts n;
        CHECK(export_all(t.path() + "/from", to, n).empty());
        CHECK(n.files == 1);
        CHECK(read(to / "users/ann@contoso.com/onedrive/Reports/a.txt") == "hello");
        CHECK(!fs::exists(to / "users/ann@contoso.com/onedrive/Reports/.m365"));
        CHECK(export_all(t.path() + "/from", to, n).empty());
        CHECK(n.files == 0);
        CHECK(n.present == 1);
    }

    TEST_CASE("an export overwrites nothing and takes no damaged file") {
        const temp_folder t;
        const auto top = make_tree(t.path() + "/from");
        const auto drive = top / "users/ann@contoso.com/onedrive";
        add_file(drive / "damaged.txt", "right");
        write(drive / "damaged.txt", "wrong");
        const fs::path to = t.path() + "/to";
        write(to / "users/ann@contoso.com/onedrive/Reports/a.txt", "mine");
        restore::export_counts n;
        const auto left = export_all(t.path() + "/from", to, n);
        CHECK(left.size() == 2);
        CHECK(read(to / "users/ann@contoso.com/onedrive/Reports/a.txt") == "mine");
        std::size_t files = 0;
        for (const auto& entry : fs::recursive_directory_iterator(to)) {
            files += entry.is_regular_file() ? 1 : 0;
        }
        CHECK(files == 1);
    }

    TEST_CASE("a file that can't be read stays out of an export, and no other") {
        const temp_folder t;
        const auto drive = make_tree(t.path() + "/from") / "users/ann@contoso.com/onedrive";
        add_file(drive / "Reports/0.txt", "nobody may read it");
        fs::permissions(drive / "Reports/0.txt", fs::perms::none);
        fs::permissions(t.path(), fs::perms(0755));
        fs::create_directories(t.path() + "/to");
        fs::permissions(t.path() + "/to", fs::perms(0777));
        restore::export_counts n;
        const auto self = static_cast<uid_t>(::setfsuid(65534));  // root may read everything
        const auto left = export_all(t.path() + "/from", t.path() + "/to", n);
        ::setfsuid(self);
        REQUIRE(left.size() == 1);
        CHECK(
            left.front() ==
            "users/ann@contoso.com/onedrive/Reports/0.txt: it can't be read: Permission denied"
        );
        CHECK(n.files == 1);
        CHECK(read(t.path() + "/to/users/ann@contoso.com/onedrive/Reports/a.txt") == "hello");
    }

    TEST_CASE("a file in the place of a folder keeps what would lie in it out of an export, and nothing else"
    ) {
        const temp_folder t;
        const auto drive = make_tree(t.path() + "/from") / "users/ann@contoso.com/onedrive";
        fs::create_directories(drive / "Work");
        describe(drive / "Work", sidecar("folder", "Work"));
        add_file(drive / "Work/b.txt", "work");
        const fs::path to = t.path() + "/to/users/ann@contoso.com/onedrive";
        write(to / "Reports", "mine");
        restore::export_counts n;
        CHECK(export_all(t.path() + "/from", t.path() + "/to", n).size() == 1);  // the folder
        CHECK(read(to / "Reports") == "mine");
        CHECK(read(to / "Work/b.txt") == "work");
    }

    TEST_CASE("folders whose sidecars are damaged are exported under their names on disk, and told") {
        const temp_folder t;
        const auto top = make_tree(t.path() + "/from");
        const auto drive = top / "users/ann@contoso.com/onedrive";
        write(drive / ".m365/Reports.json", "{");
        write(top / "users/ann@contoso.com/.m365/onedrive.json", "{");
        restore::export_counts n;
        CHECK(export_all(t.path() + "/from", t.path() + "/to", n).size() == 2);
        CHECK(n.files == 1);
        CHECK(read(t.path() + "/to/users/ann@contoso.com/onedrive/Reports/a.txt") == "hello");
    }
}

TEST_SUITE("restore: outage") {
    TEST_CASE("a service that answers nothing for a while is away; one that refuses some objects is not") {
        const core::error away(core::error_kind::server, "503");
        const core::error refused(core::error_kind::bad_request, "400");
        const std::chrono::steady_clock::time_point start(std::chrono::hours(1));
        auto at = [&](int seconds) { return start + std::chrono::seconds(seconds); };
        restore::outage_watch watch;
        for (int n = 0; n < 7; ++n) {
            CHECK(!watch.is_away(away, 5, at(10 * n)));
        }
        CHECK(!watch.is_away(refused, 5, at(70)));
        CHECK(watch.is_away(away, 5, at(70)));
        // An answer in between: the counting begins anew.
        for (int n = 0; n < 7; ++n) {
            CHECK(!watch.is_away(away, 6, at(100 + n)));
        }
        CHECK(!watch.is_away(away, 6, at(110)));  // all at once: it may be a fault that passes
        CHECK(watch.is_away(away, 6, at(130)));
    }
}

TEST_SUITE("restore: request") {
    TEST_CASE("a pattern selects an object and everything below it") {
        restore::request r;
        CHECK(r.selects("users/a/onedrive/x"));
        r.select = {"users/ann@*/onedrive/Reports"};
        CHECK(r.selects("users/ann@contoso.com/onedrive/Reports"));
        CHECK(r.selects("users/ann@contoso.com/onedrive/Reports/2026/a.txt"));
        CHECK(!r.selects("users/ann@contoso.com/onedrive/Reports2"));
        CHECK(!r.selects("users/ann@contoso.com/onedrive"));
        r.select = {"users/ann@*/onedrive/Reports//"};
        CHECK(r.selects("users/ann@contoso.com/onedrive/Reports/2026/a.txt"));
        CHECK(!r.selects("users/ann@contoso.com/onedrive/Reports2"));
    }

    TEST_CASE("another restore has another journal; rights and the conflict rule may be added later") {
        restore::request a;
        restore::request b = a;
        b.permissions = true;
        b.conflict = restore::conflict_rule::rename;
        CHECK(a.tag("/t") == b.tag("/t"));
        a.select = {"users/ann"};
        b.select = {"users/ann/"};
        CHECK(a.tag("/t") == b.tag("/t"));
        CHECK(a.tag("/t") != a.tag("/u"));
        b.into = "Old";
        CHECK(a.tag("/t") != b.tag("/t"));
    }

    TEST_CASE("--as-of leaves out what is younger, and says what it can't have in an older version") {
        restore::request r;
        r.as_of = core::parse_timestamp("2026-06-01T00:00:00Z");
        restore::object o;
        o.meta = sidecar("file", "a.txt");
        using what = restore::decision::what;
        const auto judged = [&](const char* created, const char* modified) {
            o.meta.item = std::string(R"({"createdDateTime":")") + created + R"(","lastModifiedDateTime":")" +
                          modified + "\"}";
            return restore::judge_drive_object(o, r).action;
        };
        CHECK(judged("2026-01-01T00:00:00Z", "2026-05-31T23:59:59Z") == what::put);
        CHECK(judged("2026-01-01T00:00:00Z", "2026-06-02T00:00:00Z") == what::cannot);
        CHECK(judged("2026-06-02T00:00:00Z", "2026-06-02T00:00:00Z") == what::skip_quietly);
    }
}
