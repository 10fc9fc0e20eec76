// Any bytes as what Bareos puts into the arguments of a hook, and as what the service answers: the job's id
// is one segment of a target and comes back as it was; each line of a job log is short ASCII, and advice is
// told to its end.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/job_log.hpp"
#include "api/local_client.hpp"
#include "api/message.hpp"
#include "api/router.hpp"
#include "http/http.hpp"

namespace {

using namespace m365stage;

void require(bool good) {
    if (!good) {
        std::abort();
    }
}

void check_line(const std::string& line) {
    const bool plain = std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
    require(plain && line.size() <= api::longest_job_log_line);
}

std::string letters(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xC0) != 0x80 && c != ' ') {
            out += byte > 0x20 && byte < 0x7F ? c : '?';
        }
    }
    return out;
}

void check_job_id(const std::string& id) {
    api::request r;
    r.method = "POST";
    const auto target = "/api/v1/jobs/" + http::percent_encode(id) + "/read";
    require(target.find_first_of(" ?#\r\n") == std::string::npos);
    if (!api::read_target(target, r)) {
        return;
    }
    const auto found = api::find_route(r);
    const auto* way = std::get_if<api::route>(&found);
    require(way == nullptr || way->argument == id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto half = text.size() / 2;
    check_job_id(std::string(text));
    check_line(api::job_log_line(text));
    core::error e(core::error_kind::server, std::string(text.substr(0, half)));
    e.hint = text.substr(half);
    e.object = text.substr(half / 2, half);
    for (const auto& line : api::refusal_lines("backup refused: ", std::move(e))) {
        check_line(line);
    }
    std::string told;
    for (const auto& line : api::job_log_lines("m365stage: ", text)) {
        check_line(line);
        told += line.substr(std::string_view("m365stage: ").size());
    }
    require(letters(told) == letters(text));
    return 0;
}
