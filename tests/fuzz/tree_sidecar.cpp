// Any bytes as a sidecar: refused, or read in a way that can be rendered and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tree/sidecar.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage::tree;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto strict = parse_sidecar_strictly(text);
    if (strict && render(*strict) != text) {
        std::abort();
    }
    if (const auto s = parse_sidecar(text)) {
        const auto again = parse_sidecar_strictly(render(*s));
        if (!again || again->id != s->id || again->size != s->size) {
            std::abort();
        }
    }
    return 0;
}
