#include "tree/ops.hpp"

#include "tests/unit/tree/support.hpp"
#include "tree/names.hpp"

using namespace m365stage;
using test::temp_stage;
using tree::op;
using tree::op_kind;

namespace {

std::uint64_t inode(const temp_stage& s, const std::string& path) {
    const auto facts = s.root().look(path);
    REQUIRE(facts.has_value());
    return facts->inode;
}

/// a and b with their sidecars.
void seed(const temp_stage& s) {
    REQUIRE(s.root().make_folder("tree/.m365").has_value());
    for (const std::string name : {"a", "b"}) {
        s.write("tree/" + name, "content of " + name);
        s.write("tree/" + tree::sidecar_path(name), "sidecar of " + name);
    }
}

/// a and b change places, by way of spool/parked.
std::vector<op> swap(const temp_stage& s) {
    const auto a = inode(s, "tree/a");
    const auto b = inode(s, "tree/b");
    return {
        op(op_kind::rename, "tree/a", "spool/parked/1", a),
        op(op_kind::rename_sidecar, "tree/.m365/a.json", "spool/parked/1.sidecar"),
        op(op_kind::rename, "tree/b", "tree/a", b),
        op(op_kind::rename_sidecar, "tree/.m365/b.json", "tree/.m365/a.json"),
        op(op_kind::make_folder, "", "tree/new", 0, 7),
        op(op_kind::rename, "spool/parked/1", "tree/b", a),
        op(op_kind::rename_sidecar, "spool/parked/1.sidecar", "tree/.m365/b.json"),
        op(op_kind::remove_folder, "", "tree/.m365"),
    };
}

}  // namespace

TEST_SUITE("tree") {
    TEST_CASE("ops: crossing renames, cut off after each step, are finished by resume") {
        std::map<std::string, std::string> wanted;
        std::size_t count = 0;
        {
            temp_stage s;
            seed(s);
            const auto ops = swap(s);
            count = ops.size();
            const auto done = tree::perform(s.root(), ops);
            REQUIRE(done.has_value());
            CHECK((*done)[4].inode == inode(s, "tree/new"));
            wanted = s.list("tree");
            CHECK(wanted["a"] == "content of b");
            CHECK(wanted["b"] == "content of a");
            CHECK(wanted[".m365/a.json"] == "sidecar of b");
            CHECK(wanted[".m365/b.json"] == "sidecar of a");
        }
        for (std::size_t k = 0; k <= count; ++k) {
            CAPTURE(k);
            temp_stage s;
            seed(s);
            const auto ops = swap(s);
            REQUIRE(tree::perform(s.root(), {ops.begin(), ops.begin() + static_cast<std::ptrdiff_t>(k)})
                        .has_value());
            const auto rest = tree::resume(s.root(), ops);
            REQUIRE(rest.has_value());
            CHECK((*rest)[4].inode == inode(s, "tree/new"));
            CHECK(s.list("tree") == wanted);
            CHECK(s.list("spool/parked").empty());
            // Cut off behind the last step, before the journal was cleared.
            REQUIRE(tree::resume(s.root(), ops).has_value());
            CHECK(s.list("tree") == wanted);
        }
    }

    TEST_CASE("ops: an object that somebody removed is told, and the rest goes on") {
        temp_stage s;
        seed(s);
        const auto ops = swap(s);
        REQUIRE(s.root().remove_file("tree/a").has_value());
        const auto done = tree::perform(s.root(), ops);
        REQUIRE(done.has_value());
        CHECK((*done)[0].missing);
        CHECK_FALSE((*done)[2].missing);
        CHECK(s.read("tree/a") == "content of b");
    }

    TEST_CASE("ops: an object with another inode is not taken for the one that is meant") {
        temp_stage s;
        s.write("tree/x", "somebody else's");
        const auto done =
            tree::perform(s.root(), {op(op_kind::rename, "tree/x", "tree/y", inode(s, "tree/x") + 1)});
        REQUIRE(done.has_value());
        CHECK(done->front().missing);
        CHECK(s.read("tree/x") == "somebody else's");
    }

}  // TEST_SUITE
