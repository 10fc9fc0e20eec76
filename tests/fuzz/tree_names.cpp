// Any bytes as a name: what comes out is one safe path segment, and so is its sidecar's.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tree/names.hpp"

namespace {

void check(const std::string& name) {
    if (name.empty() || name.size() > 255 || name == "." || name == "..") {
        std::abort();
    }
    for (const char c : name) {
        if (c == '/' || c == '\0') {
            std::abort();
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage::tree;
    const std::string name(reinterpret_cast<const char*>(data), size);
    for (const auto& local :
         {local_name(name, "01ABC"), tagged_name(name, "01ABC"), owner_segment(name, "01ABC")}) {
        check(local);
        check(sidecar_name(local));
        if (local == sidecar_folder || local == state_folder) {
            std::abort();
        }
    }
    if (sidecar_path("a/" + local_name(name, "1")).find("a/.m365/") != 0) {
        std::abort();
    }
    return 0;
}
