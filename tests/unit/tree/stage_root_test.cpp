#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/tree/support.hpp"

using namespace m365stage;
using test::temp_stage;

TEST_SUITE("tree") {
    TEST_CASE(
        "stage_root: files and folders get the modes of the service, whatever was asked of existing ones"
    ) {
        temp_stage s;
        REQUIRE(s.root().make_folder("tree/a").has_value());
        s.write("tree/a/f", "text");
        struct stat st{};
        REQUIRE(::stat(s.path("tree/a").c_str(), &st) == 0);
        CHECK((st.st_mode & 0777) == 0700);
        REQUIRE(::stat(s.path("tree/a/f").c_str(), &st) == 0);
        CHECK((st.st_mode & 0777) == 0600);
        REQUIRE(::chmod(s.path("tree/a").c_str(), 0750) == 0);
        CHECK(s.root().make_folder("tree/a").has_value());
        REQUIRE(::stat(s.path("tree/a").c_str(), &st) == 0);
        CHECK((st.st_mode & 0777) == 0750);
    }

    TEST_CASE("stage_root: a root that is made has the group of what will be in it") {
        if (::geteuid() != 0) {
            MESSAGE("not root: cannot give files to another group");
            return;
        }
        temp_stage s;
        tree::root_options options;
        options.group = 65534;
        REQUIRE(tree::stage_root::open(s.path("made/here"), options).has_value());
        struct stat st{};
        for (const char* path : {"made/here", "made/here/tree"}) {
            REQUIRE(::stat(s.path(path).c_str(), &st) == 0);
            CHECK(st.st_gid == 65534);
        }
    }

    TEST_CASE("stage_root: paths longer than PATH_MAX work in every operation") {
        temp_stage s;
        const std::string segment(200, 'd');
        std::string path = "tree";
        for (int i = 0; i < 40; ++i) {
            path += "/" + segment;
            REQUIRE(s.root().make_folder(path).has_value());
        }
        CHECK(path.size() > 4096);
        s.write(path + "/f", "deep");
        CHECK(s.read(path + "/f") == "deep");
        REQUIRE(s.root().set_mtime(path + "/f", 1'000'000).has_value());
        const auto facts = s.root().look(path + "/f");
        REQUIRE(facts.has_value());
        CHECK(facts->mtime == 1'000'000);
        CHECK(facts->size == 4);
        REQUIRE(s.root().rename(path + "/f", "tree/up").has_value());
        REQUIRE(s.root().rename("tree/up", path + "/g").has_value());
        const auto names = s.root().list(path);
        REQUIRE(names.has_value());
        CHECK(*names == std::vector<std::string>{"g"});
        REQUIRE(s.root().remove_all("tree/" + segment).has_value());
        CHECK_FALSE(s.root().look("tree/" + segment).has_value());
    }

    TEST_CASE(
        "stage_root: a root that can't be there is the disk's fault, and the reason is told beforehand too"
    ) {
        const test::temp_folder folder;
        const auto dangling = folder.path() + "/link";
        REQUIRE(::symlink("/not/mounted", dangling.c_str()) == 0);
        for (const auto& path : {dangling, dangling + "/below", std::string("/proc/x")}) {
            CAPTURE(path);
            const auto opened = tree::stage_root::open(path, tree::root_options());
            REQUIRE(opened.has_error());
            CHECK(opened.error().kind == core::error_kind::disk);
            CHECK(opened.error().hint.find("mounted") != std::string::npos);
            CHECK_FALSE(tree::why_no_root(path).empty());
        }
        CHECK(tree::why_no_root(dangling).find("/not/mounted") != std::string::npos);
        const auto fresh = folder.path() + "/a/b";
        CHECK(tree::why_no_root(fresh).empty());
        CHECK(tree::stage_root::open(fresh, tree::root_options()).has_value());
        std::ofstream(folder.path() + "/file") << "x";
        CHECK_FALSE(tree::why_no_root(folder.path() + "/file/root").empty());
        // A file where tree/ has to be.
        std::filesystem::remove_all(fresh + "/tree");
        std::ofstream(fresh + "/tree") << "x";
        CHECK(tree::stage_root::open(fresh, tree::root_options()).error().kind == core::error_kind::disk);
    }

    TEST_CASE("stage_root: the lock is exclusive, names its holder and ends with the descriptor") {
        temp_stage s;
        auto other = tree::stage_root::open(s.root().path(), tree::root_options());
        REQUIRE(other.has_value());
        {
            auto lock = s.root().lock();
            REQUIRE(lock.has_value());
            auto second = (*other)->lock();
            REQUIRE_FALSE(second.has_value());
            CHECK(second.error().kind == core::error_kind::busy);
            CHECK(second.error().cause.find(std::to_string(::getpid())) != std::string::npos);
        }
        CHECK((*other)->lock().has_value());
    }

    TEST_CASE("stage_root: a symbolic link is never followed to what it points to") {
        temp_stage s;
        test::temp_folder outside;
        REQUIRE(::symlink(outside.path().c_str(), s.path("tree/link").c_str()) == 0);
        {
            std::ofstream(outside.path() + "/precious") << "keep";
        }
        CHECK_FALSE(s.root().list("tree/link").has_value());
        CHECK_FALSE(s.root().make_folder("tree/link").has_value());
        const auto facts = s.root().look("tree/link");
        REQUIRE(facts.has_value());
        CHECK_FALSE(facts->folder);
        CHECK_FALSE(facts->regular);
        REQUIRE(::symlink((outside.path() + "/precious").c_str(), s.path("tree/file").c_str()) == 0);
        CHECK_FALSE(s.root().open_file("tree/file").has_value());
        CHECK_FALSE(s.root().create("tree/file").has_value());
        REQUIRE(s.root().remove_all("tree").has_value());
        CHECK(std::filesystem::exists(outside.path() + "/precious"));
    }

    TEST_CASE("stage_root: a path does not lead out through a folder that is a link") {
        temp_stage s;
        test::temp_folder outside;
        REQUIRE(::symlink(outside.path().c_str(), s.path("tree/link").c_str()) == 0);
        CHECK_FALSE(s.root().write_file("tree/link/f", "text").has_value());
        CHECK_FALSE(std::filesystem::exists(outside.path() + "/f"));
        CHECK_FALSE(s.root().make_folder("tree/link/d").has_value());
        CHECK_FALSE(std::filesystem::exists(outside.path() + "/d"));
    }

    TEST_CASE("stage_root: a path with a slash at its end is the folder itself") {
        temp_stage s;
        s.write("tree/f", "text");
        const auto names = s.root().list("tree/");
        REQUIRE(names.has_value());
        CHECK(*names == std::vector<std::string>{"f"});
    }

    TEST_CASE("stage_root: what is not there, is not empty or is too large is told apart") {
        temp_stage s;
        const auto absent = s.root().look("tree/none");
        REQUIRE_FALSE(absent.has_value());
        CHECK(absent.error().kind == core::error_kind::not_found);
        REQUIRE(s.root().make_folder("tree/a").has_value());
        s.write("tree/a/f", "0123456789");
        CHECK(s.root().remove_empty_folder("tree/a").has_value());
        CHECK(s.root().look("tree/a").has_value());
        const auto large = s.root().read_file("tree/a/f", 9);
        REQUIRE_FALSE(large.has_value());
        CHECK(large.error().kind == core::error_kind::too_large);
        CHECK(s.root().remove_file("tree/none").has_value());
        CHECK(s.root().barrier().has_value());
        const auto free = s.root().free_bytes();
        REQUIRE(free.has_value());
        CHECK(*free > 0);
    }

}  // TEST_SUITE
