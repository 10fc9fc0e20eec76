// Any bytes as the body and the headers of an error answer: always one error, short and without the token.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "graph/errors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage;
    if (size < 2) {
        return 0;
    }
    std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
    graph::asked request;
    request.verb = (data[0] & 1) != 0 ? http::method::get : http::method::post;
    request.preauthenticated = (data[0] & 2) != 0;
    http::response answer;
    answer.status = 400 + data[1] % 200;
    answer.body = std::string(text);
    answer.fields.set("Retry-After", text.substr(0, 40));
    answer.fields.set("WWW-Authenticate", text);
    graph::verdict got = graph::judge(request, answer);
    if (core::describe(got.why).size() > 1100 || got.why.cause.empty()) {
        std::abort();
    }
    std::string marked = std::string(text.substr(0, 100)) + " access_token=SECRETSECRETSECRET";
    if (graph::scrub(marked).find("SECRETSECRETSECRET") != std::string::npos) {
        std::abort();
    }
    return 0;
}
