#include <nlohmann/json.hpp>

#include "auth/encoding.hpp"
#include "auth/token_source.hpp"
#include "core/members.hpp"

namespace m365stage::auth {

std::optional<token_facts> decode_token(const std::string& access_token) {
    auto first = access_token.find('.');
    auto second = first == std::string::npos ? first : access_token.find('.', first + 1);
    if (second == std::string::npos) {
        return std::nullopt;
    }
    auto body = base64_decode(std::string_view(access_token).substr(first + 1, second - first - 1));
    if (!body) {
        return std::nullopt;
    }
    auto parsed = nlohmann::json::parse(*body, nullptr, false);
    if (!parsed.is_object()) {
        return std::nullopt;
    }
    token_facts out;
    out.tenant = core::text(parsed, "tid");
    out.app_id = core::text(parsed, "appid");
    if (out.app_id.empty()) {
        out.app_id = core::text(parsed, "azp");
    }
    out.app_name = core::text(parsed, "app_displayname");
    if (auto at = parsed.find("roles"); at != parsed.end() && at->is_array()) {
        for (const auto& role : *at) {
            if (role.is_string()) {
                out.roles.push_back(role.get<std::string>());
            }
        }
    }
    return out;
}

}  // namespace m365stage::auth
