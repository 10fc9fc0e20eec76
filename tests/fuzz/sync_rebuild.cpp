// Any bytes as cursors.json and as a sidecar of a tree that an index is rebuilt from: an index, and whatever
// is damaged is told.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "memory_stage.hpp"
#include "sync/rebuild.hpp"

namespace {

using namespace m365stage;
using fuzz::require;

/// One drive with one file in it.
struct small_stage : fuzz::memory_stage {
    small_stage() {
        for (const char* folder :
             {"tree/.m365stage", "tree/users", "tree/users/ann", "tree/users/ann/.m365",
              "tree/users/ann/onedrive", "tree/users/ann/onedrive/.m365"}) {
            require(root->make_folder(folder).has_value());
        }
        write("tree/users/ann/onedrive/a.txt", "abc");
    }
    void write(const std::string& file, std::string_view text) const {
        require(root->write_file(file, text).has_value());
    }
};

}  // namespace

/// Three files in one input, with lines of "--" between them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const small_stage here;
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    for (const char* file :
         {"tree/.m365stage/cursors.json", "tree/users/ann/.m365/onedrive.json",
          "tree/users/ann/onedrive/.m365/a.txt.json"}) {
        const auto end = rest.find("\n--\n");
        here.write(file, rest.substr(0, end));
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 4);
    }
    tree::verify_log log([](const tree::problem&) {});
    const auto file = here.path + "/index.db";
    {
        index::database db(file, index::database::mode::read_write);
        const auto rebuilt = sync::rebuild_index(db, *here.root, log, false);
        require(rebuilt.has_value() && rebuilt->items >= 0 && rebuilt->bytes >= 0);
    }
    for (const char* part : {"", "-wal", "-shm"}) {
        std::filesystem::remove(file + part);
    }
    return 0;
}
