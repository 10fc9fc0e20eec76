#include <algorithm>
#include <initializer_list>
#include <set>
#include <string_view>

#include "daemon/check_report.hpp"

namespace m365stage::daemon {
namespace {

using config::data_kind;
using names = std::vector<std::string_view>;

/// What one kind of data needs: any of `enough`; any of `broader` would do as well, but allows more.
struct need {
    std::string_view what;
    std::vector<data_kind> kinds;
    names enough, broader;
    std::string_view without = "";  ///< what is left out without it; empty: nothing works
};

std::vector<need> backup_needs() {
    const std::vector<data_kind> all_users{
        data_kind::onedrive, data_kind::mail, data_kind::calendar, data_kind::contacts, data_kind::tasks
    };
    return {
        {"users",
         all_users,
         {"User.Read.All", "Directory.Read.All"},
         {"User.ReadWrite.All", "Directory.ReadWrite.All"}},
        {"groups",
         {data_kind::groups, data_kind::sharepoint},
         {"Group.Read.All", "Directory.Read.All"},
         {"Group.ReadWrite.All", "Directory.ReadWrite.All"}},
        {"files",
         {data_kind::onedrive, data_kind::groups, data_kind::sharepoint},
         {"Files.Read.All", "Sites.Read.All"},
         {"Files.ReadWrite.All", "Sites.ReadWrite.All", "Sites.Manage.All", "Sites.FullControl.All"}},
        {"sites",
         {data_kind::sharepoint},
         {"Sites.Read.All"},
         {"Sites.ReadWrite.All", "Sites.Manage.All", "Sites.FullControl.All"}},
        {"mail", {data_kind::mail}, {"Mail.Read"}, {"Mail.ReadWrite"}},
        {"mailbox settings",
         {data_kind::mail},
         {"MailboxSettings.Read"},
         {"MailboxSettings.ReadWrite"},
         "settings, rules and categories of mailboxes are not staged"},
        {"calendars", {data_kind::calendar}, {"Calendars.Read"}, {"Calendars.ReadWrite"}},
        {"contacts", {data_kind::contacts}, {"Contacts.Read"}, {"Contacts.ReadWrite"}},
        {"tasks", {data_kind::tasks}, {"Tasks.Read.All"}, {"Tasks.ReadWrite.All"}},
    };
}

std::vector<need> restore_needs() {
    return {
        {"files",
         {data_kind::onedrive, data_kind::groups, data_kind::sharepoint},
         {"Files.ReadWrite.All", "Sites.ReadWrite.All"},
         {"Sites.Manage.All", "Sites.FullControl.All"}},
        {"mail", {data_kind::mail}, {"Mail.ReadWrite"}, {}},
        {"calendars", {data_kind::calendar}, {"Calendars.ReadWrite"}, {}},
        {"contacts", {data_kind::contacts}, {"Contacts.ReadWrite"}, {}},
        {"tasks", {data_kind::tasks}, {"Tasks.ReadWrite.All"}, {}},
    };
}

std::string joined(const names& n, std::string_view separator) {
    std::string out;
    for (const auto& one : n) {
        out += (out.empty() ? "" : std::string(separator)) + std::string(one);
    }
    return out;
}

names granted_of(const names& wanted, const std::vector<std::string>& roles) {
    names out;
    for (const auto& one : wanted) {
        if (std::find(roles.begin(), roles.end(), one) != roles.end()) {
            out.push_back(one);
        }
    }
    return out;
}

constexpr const char* full_control_note =
    "only Sites.FullControl.All shows all permissions of items: keep it if sharing has to be backed up";

void check_need(
    check_report& report, const std::string& who, const need& n, const std::vector<std::string>& roles
) {
    const auto what = who + ": permission for " + std::string(n.what);
    const auto enough = granted_of(n.enough, roles);
    const auto broader = granted_of(n.broader, roles);
    if (enough.empty() && broader.empty() && !n.without.empty()) {
        report.warn(
            what, "not granted: " + std::string(n.without),
            "grant " + joined(n.enough, " or ") + " (application permission) and give admin consent"
        );
        return;
    }
    if (enough.empty() && broader.empty()) {
        const bool selected = n.what == "files" || n.what == "sites";
        const bool some = selected && !granted_of({"Sites.Selected"}, roles).empty();
        report.fail(
            what, "not granted" + std::string(some ? "; with Sites.Selected only, no sites are listed" : ""),
            "grant " + joined(n.enough, " or ") +
                " (application permission) and give admin consent; it counts with the "
                "next token, up to a day later",
            core::exit_code::auth
        );
        return;
    }
    if (broader.empty()) {
        report.ok(what, joined(enough, ", "));
        return;
    }
    const bool full = broader.size() == 1 && broader.front() == "Sites.FullControl.All";
    report.warn(
        what, joined(broader, ", ") + " is broader than needed",
        full ? joined(n.enough, " or ") + " suffices for content; " + full_control_note
             : joined(n.enough, " or ") + " suffices: take the broader one away"
    );
}

}  // namespace

void check_roles(
    check_report& report, const std::string& who, const std::vector<std::string>& roles,
    const std::vector<config::data_kind>& kinds, bool restore
) {
    bool files = false;
    for (const auto& n : restore ? restore_needs() : backup_needs()) {
        const bool enabled = std::any_of(n.kinds.begin(), n.kinds.end(), [&kinds](data_kind k) {
            return std::find(kinds.begin(), kinds.end(), k) != kinds.end();
        });
        if (enabled) {
            check_need(report, who, n, roles);
            files = files || n.what == "files";
        }
    }
    const bool full = std::find(roles.begin(), roles.end(), "Sites.FullControl.All") != roles.end();
    if (files && !full && !restore) {
        report.ok(who + ": permissions of items", "visible in part; " + std::string(full_control_note));
    }
}

}  // namespace m365stage::daemon
