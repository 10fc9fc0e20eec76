#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "tree/stage_root.hpp"

/// What the fuzz targets that work on files share.
namespace m365stage::fuzz {

inline void require(bool good) {
    if (!good) {
        std::abort();
    }
}

/// A stage in memory, removed at the end.
struct memory_stage {
    memory_stage() {
        std::string pattern = "/dev/shm/m365-fuzz-XXXXXX";
        require(::mkdtemp(pattern.data()) != nullptr);
        path = pattern;
        auto opened = tree::stage_root::open(path, tree::root_options());
        require(opened.has_value());
        root = std::move(*opened);
    }
    ~memory_stage() {
        std::error_code ec;
        std::filesystem::remove_all(path, ec);
    }
    memory_stage(const memory_stage&) = delete;
    memory_stage& operator=(const memory_stage&) = delete;

    std::string path;
    std::unique_ptr<tree::stage_root> root;
};

}  // namespace m365stage::fuzz
