#include <algorithm>

#include "http/http.hpp"
#include "http/text.hpp"

namespace m365stage::http {

void header_list::set(std::string_view name, std::string_view value) {
    const auto same = [&](const auto& field) { return equal_names(field.first, name); };
    const auto first = std::find_if(fields_.begin(), fields_.end(), same);
    if (first == fields_.end()) {
        add(name, value);
        return;
    }
    first->second = value;
    fields_.erase(std::remove_if(first + 1, fields_.end(), same), fields_.end());
}

void header_list::add(std::string_view name, std::string_view value) {
    fields_.emplace_back(name, value);
}

void header_list::erase(std::string_view name) {
    std::erase_if(fields_, [&](const auto& field) { return equal_names(field.first, name); });
}

std::optional<std::string_view> header_list::find(std::string_view name) const {
    for (const auto& [field, value] : fields_) {
        if (equal_names(field, name)) {
            return std::string_view(value);
        }
    }
    return std::nullopt;
}

}  // namespace m365stage::http
