// What the changes and the expectations of mail and of calendars have in common.
#include "changes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace m365stage::sim {

using nlohmann::json;

std::vector<mailbox*> named_mailboxes(world& w, const std::string& which) {
    if (which != "all") {
        return {&named_mailbox(w, {{"mailbox", which}})};
    }
    std::vector<mailbox*> out;
    for (const auto& b : w.exchange.mailboxes) {
        if (!b->removed) {
            out.push_back(b.get());
        }
    }
    return out;
}

std::string weighted(const std::map<std::string, int>& weights, rng& r) {
    int sum = 0;
    for (const auto& [name, weight] : weights) {
        sum += weight;
    }
    auto dice = static_cast<int>(r.below(static_cast<std::uint64_t>(std::max(sum, 1))));
    for (const auto& [name, weight] : weights) {
        dice -= weight;
        if (dice < 0) {
            return name;
        }
    }
    throw std::runtime_error("change: all weights are 0");
}

attachment attachment_in(const json& j, std::uint32_t number, std::int64_t now) {
    attachment a;
    a.number = number;
    a.name = j.value("name", "file.bin");
    a.content_type = j.value("content_type", a.content_type);
    a.content_id = j.value("content_id", "");
    a.is_inline = j.value("inline", false);
    a.broken = j.value("broken", false);
    a.modified = now;
    std::string kind = j.value("kind", "file");
    a.kind = kind == "item"        ? attachment_kind::item
             : kind == "reference" ? attachment_kind::reference
                                   : attachment_kind::file;
    a.data.size = j.value("size", std::int64_t{0});
    a.data.seed = j.value("seed", std::uint64_t{number});
    if (a.kind == attachment_kind::item) {
        a.item = std::make_shared<json>(
            j.value("item", json{{"@odata.type", "#microsoft.graph.message"}, {"subject", a.name}})
        );
    }
    return a;
}

json attachment_line(const attachment& a, bool hashes) {
    static const char* kinds[] = {"file", "item", "reference"};
    json j = {
        {"kind", kinds[static_cast<int>(a.kind)]},
        {"name", a.name},
        {"content_type", a.content_type},
        {"inline", a.is_inline},
        {"broken", a.broken},
        {"content_id", a.content_id}
    };
    if (a.kind == attachment_kind::file) {
        j["size"] = a.data.size;
        if (hashes) {
            j["sha256"] = sha256_of(a.data);
        }
    }
    return j;
}

}  // namespace m365stage::sim
