#include "daemon/index_access.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/temp_folder.hpp"

using namespace m365stage;

namespace {

/// A configuration and an index that is somebody else's, in folders that everybody may enter.
struct world {
    world() {
        REQUIRE(::chmod(folder.c_str(), 0755) == 0);
        global.config_file = folder + "/config.yaml";
        std::ofstream(global.config_file)
            << "tenant: { id: contoso.onmicrosoft.com }\n"
               "app: { client_id: 00000000-0000-0000-0000-000000000000, client_secret_file: /nonexistent }\n"
               "stage: { root: "
            << folder << " }\n";
        const index::database made(folder + "/index.db", index::database::mode::read_write);
    }

    test::temp_folder home;
    const std::string folder = home.path();
    daemon::global_options global;
};

/// While it lives this process may not read what is its own, whoever runs it.
struct stranger {
    explicit stranger(const std::string& file) {
        constexpr uid_t nobody = 65534;
        ::chmod(file.c_str(), ::geteuid() == 0 ? 0600 : 0);
        if (::geteuid() == 0) {
            REQUIRE(::seteuid(nobody) == 0);
        }
    }
    ~stranger() {
        if (::getuid() == 0) {
            CHECK(::seteuid(0) == 0);
        }
    }
    stranger(const stranger&) = delete;
    stranger& operator=(const stranger&) = delete;
};

}  // namespace

TEST_SUITE("daemon") {
    TEST_CASE("index: who may enter the folder but not read the index is told who may") {
        const world w;
        const auto file = w.folder + "/index.db";
        CHECK(daemon::open_index::open(w.global, index::database::mode::read_only).has_value());
        const stranger me(file);
        for (const auto mode : {index::database::mode::read_only, index::database::mode::read_write}) {
            const auto opened = daemon::open_index::open(w.global, mode);
            REQUIRE(opened.has_error());
            CHECK(opened.error().kind == core::error_kind::index);
            CHECK(
                core::describe(opened.error()) ==
                file + ": Permission denied; run this as the service's user or as root"
            );
        }
    }
}
