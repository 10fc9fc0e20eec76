#include "graph/error_table.hpp"

#include <array>
#include <span>

namespace m365stage::graph {
namespace {

using enum core::error_kind;
// `throttled` names a kind and a class: the class is written in full.
constexpr auto never = retry_class::never;
constexpr auto transient = retry_class::transient;
constexpr auto sign_in = retry_class::sign_in;

constexpr std::string_view no_mailbox = "the user has no Exchange Online mailbox";
constexpr std::string_view no_onedrive = "the user has no OneDrive";
constexpr std::string_view site_locked =
    "the site is locked or archived: nothing is read or written there until somebody unlocks it";
constexpr std::string_view permission =
    "check the app's permissions and their admin consent (m365stage check)";
constexpr std::string_view unreadable =
    "the service can't read this item any more; nobody but Microsoft can mend it";
// 'export' is the way to what can't be put back: hints of writing are seen by those who restore.
constexpr std::string_view not_taken =
    "the service does not take it as it is: 'm365stage export' makes a plain file of it";
constexpr std::string_view address_not_taken =
    "the service does not take one of its addresses: 'm365stage export' makes a plain file of it";

// Contract 2.4, 2.6 and 4.5. Codes are compared in lower case.
constexpr std::array code_rows{
    error_row{0, "resyncrequired", resync, never, ""},
    error_row{0, "resyncchangesapplydifferences", resync, never, ""},
    error_row{0, "resyncchangesuploaddifferences", resync, never, ""},
    error_row{0, "resyncapplydifferences", resync, never, ""},
    error_row{0, "resyncuploaddifferences", resync, never, ""},
    error_row{0, "syncstatenotfound", resync, never, ""},
    error_row{0, "syncstateinvalid", resync, never, ""},
    error_row{0, "errorsyncstatenotfound", resync, never, ""},
    error_row{0, "errorinvalidsyncstatedata", resync, never, ""},
    error_row{0, "errorsyncfoldernotfound", not_found, never, ""},
    error_row{0, "cannotsnapshottree", server, transient, ""},

    error_row{401, "generalexception", unauthorized, sign_in, ""},
    error_row{0, "invalidauthenticationtoken", unauthorized, sign_in, ""},
    error_row{401, "unauthenticated", unauthorized, sign_in, ""},
    // Of a user without a licence. It may as well be trouble of the mailbox server's own, so it is no proof
    // that there is no mailbox: it counts as one that may not be read now.
    error_row{
        401, "authenticationerror", forbidden, never, "the user seems to have no licence for Exchange Online"
    },

    error_row{0, "itemnotfound", not_found, never, ""},
    error_row{0, "itemdeleted", not_found, never, ""},
    error_row{0, "erroritemnotfound", not_found, never, ""},
    error_row{404, "resourcenotfound", not_found, never, ""},
    error_row{404, "request_resourcenotfound", not_found, never, ""},
    error_row{404, "notfound", not_found, never, ""},
    error_row{0, "uploadsessionnotfound", not_found, never, ""},

    error_row{0, "mailboxnotenabledforrestapi", unsupported, never, no_mailbox},
    error_row{0, "mailboxnotsupportedforrestapi", unsupported, never, no_mailbox},
    error_row{0, "erroruserwithoutmailbox", unsupported, never, no_mailbox},
    error_row{0, "errornonexistentmailbox", unsupported, never, no_mailbox},
    error_row{0, "errorinvaliduser", unsupported, never, no_mailbox},
    error_row{0, "cannotopenfileattachment", unsupported, never, unreadable, not_taken},
    error_row{0, "errorcannotopenfileattachment", unsupported, never, unreadable, not_taken},
    error_row{0, "errorinvalidrecipients", unsupported, never, unreadable, address_not_taken},
    error_row{0, "errorcorruptdata", unsupported, never, unreadable, not_taken},

    error_row{0, "malwaredetected", malware, never, "the service refuses to serve infected content"},
    error_row{423, "notallowed", locked, never, site_locked},
    error_row{0, "resourcelocked", locked, never, "it is locked or its site is, until somebody unlocks it"},
    error_row{403, "accessdenied", forbidden, never, permission},
    error_row{403, "erroraccessdenied", forbidden, never, permission},
    error_row{0, "authorization_requestdenied", forbidden, never, permission},
    error_row{403, "accessrestricted", forbidden, never, "a policy forbids the access"},
    error_row{403, "errorquotaexceeded", forbidden, never, "the mailbox is over its quota"},
    error_row{0, "sharingdisabled", forbidden, never, "the tenant forbids sharing with others"},
    error_row{0, "noresolvedusers", bad_request, never, "the user does not exist any more"},

    error_row{429, "activitylimitreached", throttled, retry_class::throttled, ""},
    error_row{509, "activitylimitreached", throttled, retry_class::throttled, ""},
    error_row{0, "applicationthrottled", throttled, retry_class::throttled, ""},
    error_row{0, "toomanyrequests", throttled, retry_class::throttled, ""},
    error_row{0, "request_throttledtemporarily", throttled, retry_class::throttled, ""},
    error_row{0, "throttledrequest", throttled, retry_class::throttled, ""},
    error_row{429, "20166", throttled, retry_class::throttled, ""},
    error_row{0, "errortoomanyobjectsopened", server, transient, ""},

    error_row{409, "namealreadyexists", conflict, never, ""},
    error_row{409, "errorfolderexists", conflict, never, ""},
    error_row{0, "resourcemodified", conflict, never, ""},
    error_row{0, "preconditionfailed", conflict, never, ""},
    error_row{0, "entitytagdoesnotmatch", conflict, never, ""},
    error_row{0, "quotalimitreached", insufficient, never, "make room at the target"},
    error_row{0, "insufficientstorage", insufficient, never, "make room at the target"},
    error_row{0, "invalidrange", bad_request, never, ""},
    error_row{0, "fragmentoverlap", bad_request, never, ""},
    error_row{0, "fragmentoutoforder", bad_request, never, ""},
};

// Some decisions have no other signal than the sentence (contract 2.6); these go before codes.
constexpr std::array message_rows{
    error_row{0, "io error during request payload read", transport, transient, ""},
    error_row{0, "sync token is malformed", resync, never, "the stored cursor was not accepted"},
    error_row{0, "parameter 'deltatoken' not supported", unsupported, never, ""},
    error_row{500, "coherent view of changes", server, transient, ""},
    error_row{500, "nextlink value without skip", server, transient, ""},
    error_row{0, "user's mysite not found", unsupported, never, no_onedrive},
    error_row{0, "unable to retrieve user's mysite url", unsupported, never, no_onedrive},
    error_row{0, "404 file not found", unsupported, never, no_onedrive},
    error_row{0, "does not have a spo license", unsupported, never, "the tenant has no SharePoint licence"},
    error_row{0, "requested site could not be found", not_found, never, ""},
    error_row{0, "access to this site has been blocked", locked, never, site_locked},
    error_row{0, "locked for shared use", locked, never, "somebody is editing it"},
    error_row{
        0, "subscription within the tenant has lapsed", unsupported, never,
        "the tenant's subscription to this service has lapsed"
    },
    error_row{0, "ole conversion failed", unsupported, never, unreadable, not_taken},
};

const error_row* find(
    std::span<const error_row> rows, int status, bool (*fits)(const error_row&, std::string_view),
    std::string_view text
) {
    const error_row* any_status = nullptr;
    for (const error_row& row : rows) {
        if ((row.status == 0 || row.status == status) && fits(row, text)) {
            if (row.status == status) {
                return &row;
            }
            any_status = any_status == nullptr ? &row : any_status;
        }
    }
    return any_status;
}

}  // namespace

const error_row* find_code_row(int status, std::string_view code) {
    return find(code_rows, status, [](const error_row& r, std::string_view t) { return r.match == t; }, code);
}

const error_row* find_message_row(int status, std::string_view messages) {
    return find(
        message_rows, status,
        [](const error_row& r, std::string_view t) { return t.find(r.match) != std::string_view::npos; },
        messages
    );
}

}  // namespace m365stage::graph
