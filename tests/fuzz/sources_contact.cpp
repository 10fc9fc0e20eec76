// Any bytes as a contact: it is passed over or becomes a change whose vCard keeps the promises of the format.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "graph/json.hpp"
#include "sources/contact_item.hpp"
#include "sources/vcard.hpp"

namespace {

void require(bool good) {
    if (!good) {
        std::abort();
    }
}

/// Lines of at most 75 bytes, each a property or the rest of one, and one card alone.
void check_card(const std::string& card) {
    std::size_t cards = 0;
    for (std::size_t at = 0; at < card.size();) {
        const auto end = card.find("\r\n", at);
        require(end != std::string::npos && end - at <= 75);
        const auto line = std::string_view(card).substr(at, end - at);
        require(
            !line.empty() && (line[0] == ' ' || line.find(':') != std::string_view::npos || end - at >= 70)
        );
        for (const char c : line) {
            require(static_cast<unsigned char>(c) >= 0x20);
        }
        cards += line == "BEGIN:VCARD" ? 1 : 0;
        at = end + 2;
    }
    require(cards == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace m365stage;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto element = graph::parse_object(text);
    if (!element) {
        return 0;
    }
    const auto change = sources::parse_contact(*element->value, "folder");
    if (change && !change->removed) {
        const auto meta = nlohmann::json::parse(change->meta);
        require(sources::contact_content_key(meta) == change->hash);
        require(change->name.size() <= 255 && change->name.find('/') == std::string::npos);
        check_card(sources::vcard_without_end(meta, change->remote_id));
    }
    require(sources::vcard_photo(text).size() < 75);
    return 0;
}
