#include "sync/run/permission.hpp"

#include <algorithm>
#include <array>

namespace m365stage::sync {
namespace {

using core::error_kind;

constexpr int no_licence = 401;  // comes as `forbidden` (graph/error_table.cpp)

}  // namespace

std::string_view permission_kind(
    std::string_view data_kind, std::string_view owner_kind, const sources::enabled_kinds& enabled
) {
    if (data_kind == "drive") {
        if (owner_kind == "user") {
            return enabled.user_drives ? "onedrive" : "";
        }
        return enabled.sites ? "sharepoint" : enabled.group_drives && owner_kind == "group" ? "groups" : "";
    }
    struct mailbox_kind {
        std::string_view name;
        bool enabled;
    };
    const std::array kinds{
        mailbox_kind{"mail", enabled.mail}, mailbox_kind{"calendar", enabled.calendar},
        mailbox_kind{"contacts", enabled.contacts}, mailbox_kind{"tasks", enabled.tasks}
    };
    for (const auto& k : kinds) {
        if (k.name == data_kind && k.enabled) {
            return k.name;
        }
    }
    return "";
}

bool may_lack_permission(const core::error& e) {
    if (e.kind == error_kind::forbidden) {
        return e.http_status != no_licence && e.code != "ErrorQuotaExceeded";
    }
    return e.kind == error_kind::unauthorized;
}

bool says_nothing_of_permission(const core::error& e) {
    return e.kind == error_kind::locked || e.kind == error_kind::not_found ||
           e.kind == error_kind::unsupported || e.kind == error_kind::bad_request ||
           e.kind == error_kind::forbidden;
}

void permission_tally::refused(std::string_view kind, const core::error& why) {
    auto& k = kinds_[std::string(kind)];
    ++k.containers;
    k.why = k.why ? k.why : why;
}

void permission_tally::list_refused(std::string_view kind, const core::error& why) {
    auto& k = kinds_[std::string(kind)];
    ++k.owners;
    k.why = k.why ? k.why : why;
}

void permission_tally::not_refused(std::string_view kind) {
    kinds_[std::string(kind)].other = true;
}

std::optional<core::error> permission_tally::lost() const {
    std::optional<core::error> out;
    const bool anything = std::any_of(kinds_.begin(), kinds_.end(), [](const auto& k) {
        return !k.first.empty() && k.second.other;
    });
    for (const auto& [kind, seen] : kinds_) {
        const bool lone = seen.containers + seen.owners == 1 && anything;
        if (kind.empty() || seen.other || !seen.why || lone) {
            continue;
        }
        const auto what = seen.containers > 0
                              ? "all " + std::to_string(seen.containers) + " containers of " + kind
                              : kind + " of all " + std::to_string(seen.owners) + " owners";
        if (!out) {
            out.emplace(seen.why->kind, what);
            out->http_status = seen.why->http_status;
            out->code = seen.why->code;
        } else {
            out->cause += " and " + what;
        }
    }
    if (out) {
        out->cause += " refused";
        out->hint = "'m365stage check' names the permission that is missing";
    }
    return out;
}

}  // namespace m365stage::sync
