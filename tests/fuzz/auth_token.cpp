// Any bytes as an answer of the login service, of IMDS, or as a token: one outcome, short, fit for a header.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "auth/token_answer.hpp"
#include "auth/token_source.hpp"

namespace {

void require(bool good) {
    if (!good) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage;
    if (size == 0) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    if (const auto token = auth::parse_token(text)) {
        require(!token->value.empty() && token->life.count() > 0);
        for (const char c : token->value) {
            require(static_cast<unsigned char>(c) > 0x20 && c != 0x7f);  // nothing that ends a header's line
        }
    }
    const int status = 300 + data[0];
    for (const auto& failed : {auth::judge_login(status, text), auth::judge_metadata(status, text)}) {
        require(!failed.why.cause.empty() && core::describe(failed.why).size() <= 1010);
    }
    (void)auth::decode_token(std::string(text));
    return 0;
}
