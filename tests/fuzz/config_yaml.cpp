// Any bytes as a configuration: either settings that keep their promises, or problems that each name the
// file.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.hpp"

namespace {

void require(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "broken promise: %s\n", what);
        std::abort();
    }
}

void check_problems(const m365stage::core::error& e) {
    require(e.kind == m365stage::core::error_kind::usage, "a bad configuration is a usage error");
    require(!e.cause.empty(), "a refusal says why");
    std::string_view rest = e.cause;
    int lines = 0;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        require(rest.starts_with("fuzz"), "each line names the file");
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        ++lines;
    }
    require(lines <= 21, "twenty problems and their rest");
}

void check_settings(const m365stage::config::settings& s) {
    using m365stage::config::proof_kind;
    require(!s.tenant.id.empty(), "there is a tenant");
    require(s.app.proof == proof_kind::managed_identity || !s.app.client_id.empty(), "there is an app");
    require(
        s.app.proof == proof_kind::managed_identity || s.app.proof_file.starts_with('/'),
        "there is a credential"
    );
    require(s.stage.root.starts_with('/'), "the root is absolute");
    require(!s.kinds.empty(), "something is staged");
    require(
        s.sync.interval.count() > 0 && s.sync.interval <= std::chrono::days(36'500), "the interval is sane"
    );
    require(s.sync.concurrency >= 1 && s.sync.concurrency <= 512, "the concurrency is sane");
    require(s.guard.max_deleted_share >= 0 && s.guard.max_deleted_share <= 1, "a share is a share");
    require((s.stage.file_mode & ~0777U) == 0, "a mode is a mode");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto parsed = m365stage::config::parse(text, "fuzz", m365stage::config::file_checks::off);
    if (parsed.has_error()) {
        check_problems(parsed.error());
    } else {
        check_settings(*parsed);
    }
    return 0;
}
