#pragma once

#include "index/containers.hpp"

namespace m365stage::test {

/// The OneDrive of Ann, who has no other.
inline index::found_container anns_drive() {
    index::found_container f;
    f.key = "users/ann/onedrive";
    f.kind = "drive";
    f.owner_kind = "user";
    f.owner_id = f.owner_name = "ann";
    f.remote_id = "d1";
    f.name = "OneDrive";
    return f;
}

}  // namespace m365stage::test
