// Any bytes as a request to the REST server: its target, its path, its query and its body, in which names of
// Bareos jobs come. An answer has one status and one line for each header.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/fields.hpp"
#include "api/message.hpp"
#include "api/router.hpp"

namespace {

using namespace m365stage::api;

void require(bool good) {
    if (!good) {
        std::abort();
    }
}

void check_answer(const response& r) {
    require(r.status >= 200 && r.status < 600);
    const auto head = head_of(r, static_cast<std::int64_t>(r.body.size()), true);
    require(head.ends_with("\r\n\r\n") && head.find("\r\n\r\n") == head.size() - 4);
    require(head.find('\0') == std::string::npos);
}

void read_fields(field_reader fields) {
    const auto job = fields.required_text("job_id", 100);
    const auto number = fields.number("timeout", 3600, 1, 604'800);
    fields.flag("fail_on_owed");
    if (const auto good = fields.finish()) {
        require(job.size() <= 100 && number >= 1 && number <= 604'800);
    } else {
        check_answer(error_response(good.error()));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    request r;
    r.method = (data[0] & 1) != 0 ? "POST" : "GET";
    r.content_type = "application/json";
    const auto line = text.find('\n');
    r.body = line == std::string_view::npos ? std::string(text) : std::string(text.substr(line + 1));
    if (const auto read = read_target(text.substr(0, line), r); !read) {
        check_answer(error_response(read.error()));
        r.path = text.substr(0, line);
    }
    const auto found = find_route(r);
    if (const auto* refused = std::get_if<response>(&found)) {
        check_answer(*refused);
    } else {
        require(std::get<route>(found).argument.find('\0') == std::string::npos);
    }
    read_fields(field_reader::of_query(r));
    read_fields(field_reader::of_body(r));
    return 0;
}
