// Any bytes as a page of a mailbox's feeds: each element is passed over or becomes a change that keeps its
// promises, as a folder and as a message.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "graph/json.hpp"
#include "sources/mail_item.hpp"

namespace {

void expect(bool promise) {
    if (!promise) {
        std::abort();
    }
}

void check_message(const nlohmann::json& element) {
    using namespace m365stage;
    (void)sources::is_sparse_message(element);
    const auto c = sources::parse_message(element, "folder");
    if (!c) {
        return;
    }
    expect(!c->remote_id.empty());
    if (c->removed) {
        return;
    }
    expect(!c->parent_remote_id.empty() && c->mtime >= 0 && c->subfolder.size() == 7);
    expect(!c->name.empty() && c->name.size() <= 255 && c->name.find('/') == std::string::npos);
    expect(c->name.ends_with(".eml") && c->name.front() != '.');
    // A rebuilt index takes the content's key from the sidecar.
    expect(nlohmann::json::accept(c->meta));
    expect(sources::message_content_key(nlohmann::json::parse(c->meta)) == c->hash);
}

void check_folder(const nlohmann::json& element) {
    using namespace m365stage;
    const auto c = sources::parse_mail_folder(element);
    if (!c) {
        return;
    }
    expect(!c->remote_id.empty());
    expect(c->removed || (!c->parent_remote_id.empty() && c->parent_remote_id != c->remote_id));
    expect(c->removed || nlohmann::json::accept(c->meta));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto page =
        m365stage::graph::parse_object(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!page) {
        return 0;
    }
    const auto value = page->value->find("value");
    if (value == page->value->end() || !value->is_array()) {
        return 0;
    }
    for (const auto& element : *value) {
        check_message(element);
        check_folder(element);
    }
    return 0;
}
