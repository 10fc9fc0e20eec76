#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "tests/support/temp_folder.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::test {

/// A stage.root of its own.
class temp_stage {
public:
    temp_stage() {
        auto opened = tree::stage_root::open(folder_.path() + "/stage", tree::root_options());
        REQUIRE(opened.has_value());
        root_ = std::move(*opened);
        REQUIRE(root_->make_folder("spool/trash").has_value());
        REQUIRE(root_->make_folder("spool/parked").has_value());
    }
    const tree::stage_root& root() const { return *root_; }
    tree::stage_root& root() { return *root_; }
    std::string path(const std::string& below) const { return root_->path() + "/" + below; }

    void write(const std::string& below, std::string_view text) const {
        REQUIRE(root_->write_file(below, text).has_value());
    }
    std::string read(const std::string& below) const {
        auto text = root_->read_file(below, 1 << 20);
        return text ? *text : "(" + text.error().cause + ")";
    }

    /// Every path below `folder`, with what a file holds; folders end with '/'.
    std::map<std::string, std::string> list(const std::string& folder) const {
        std::map<std::string, std::string> out;
        const auto base = path(folder);
        for (const auto& entry : std::filesystem::recursive_directory_iterator(base)) {
            const auto name = entry.path().string().substr(base.size() + 1);
            if (entry.is_directory()) {
                out.emplace(name + "/", "");
            } else {
                std::ifstream file(entry.path(), std::ios::binary);
                out.emplace(name, std::string(std::istreambuf_iterator<char>(file), {}));
            }
        }
        return out;
    }

private:
    temp_folder folder_;
    std::unique_ptr<tree::stage_root> root_;
};

}  // namespace m365stage::test
