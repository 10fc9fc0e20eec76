// Any bytes as cursors.json and as a sidecar of a tree that an index is rebuilt from: an index, and whatever
// is damaged is told.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "sync/rebuild.hpp"

namespace {

using namespace m365stage;

void require(bool good) {
    if (!good) {
        std::abort();
    }
}

/// A tree in memory with one drive and one file in it; removed at the end.
struct stage {
    stage() {
        std::string pattern = "/dev/shm/m365-fuzz-XXXXXX";
        require(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
        auto opened = tree::stage_root::open(path, tree::root_options());
        require(opened.has_value());
        root = std::move(*opened);
        for (const char* folder :
             {"tree/.m365stage", "tree/users", "tree/users/ann", "tree/users/ann/.m365",
              "tree/users/ann/onedrive", "tree/users/ann/onedrive/.m365"}) {
            require(root->make_folder(folder).has_value());
        }
        write("tree/users/ann/onedrive/a.txt", "abc");
    }
    ~stage() {
        std::error_code ec;
        std::filesystem::remove_all(path, ec);
    }
    stage(const stage&) = delete;
    stage& operator=(const stage&) = delete;
    void write(const std::string& file, std::string_view text) const {
        require(root->write_file(file, text).has_value());
    }
    std::string path;
    std::unique_ptr<tree::stage_root> root;
};

}  // namespace

/// Three files in one input, with lines of "--" between them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const stage here;
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
