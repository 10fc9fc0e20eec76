#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../http_types.hpp"
#include "../tenant.hpp"
#include "mailbox.hpp"
#include "message_json.hpp"
#include "odata.hpp"

/// Exchange Online as one tenant sees it: all mailboxes, their limits, and the handlers of the Outlook API.
namespace m365stage::sim {

struct world;

/// Outlook's limits per app and mailbox (contract, section 3.3). There is one app here.
class outlook_limits {
public:
    std::int64_t concurrency = 4;  ///< 0: not enforced
    std::int64_t requests = 0;     ///< per window; 10,000 for the published limit; 0: not enforced
    std::int64_t window_ms = 600000;
    std::int64_t upload_bytes = 0;  ///< per 5 minutes; 157,286,400 for the published limit; 0: not enforced

    /// Sets {"concurrency","requests","window_seconds","upload_bytes"}; returns what is wrong, or nothing.
    std::string configure(const nlohmann::json& settings);
    /// Takes a place for a request that came in. The place is given back when the pointer goes. `out` is the
    /// 429 when there is none: then nothing is returned.
    std::shared_ptr<void> enter(
        const std::string& mailbox, const request& r, std::int64_t now_ms, response& out
    );
    nlohmann::json report() const;
    void reset_counts();

private:
    struct use {
        std::int64_t in_flight = 0;
        std::int64_t most_in_flight = 0;
        std::int64_t window_start = 0;
        std::int64_t window_used = 0;
        std::int64_t upload_start = 0;
        std::int64_t uploaded = 0;
        std::int64_t allowed = 0;
        std::int64_t refused_concurrency = 0;
        std::int64_t refused_window = 0;
        std::int64_t refused_upload = 0;
    };
    std::map<std::string, std::shared_ptr<use>, std::less<>> uses_;
};

/// The properties of messages that a $select asks for, into `fields` if there is one. False: `out` is the
/// answer.
bool read_message_fields(const request& r, message_fields& fields, response& out);

/// Whether this keeps a message or an event from being read at all; `out` is the answer then.
bool is_refused(trouble wrong, response& out);

/// The shape of a mail feed, given on its first request and baked into its links.
struct mail_shape {
    message_fields fields = message_fields_default;
    std::optional<std::vector<std::string>> folder_fields;
    std::uint32_t page = 0;
    std::uint32_t top = 0;  ///< $top: the feed ends after so many (Q68); 0: not given
    std::int64_t received_from = 0;
    char change_type = 0;  ///< c, u or d; 0: all
    bool hidden = false;   ///< folder feed: hidden folders too
    bool operator==(const mail_shape&) const = default;
};

/// A large attachment on its way into a message.
struct attachment_upload {
    std::uint32_t mailbox = 0;
    message_index message = nowhere;
    attachment what;
    std::int64_t received = 0;
    std::string path;                 ///< where the bytes are gathered
    std::uint32_t event = nowhere;    ///< of an event instead of a message
    std::optional<std::int64_t> day;  ///< of one occurrence of it
};

struct exchange_state {
    std::vector<std::unique_ptr<mailbox>> mailboxes;
    outlook_limits limits;
    std::vector<mail_shape> shapes;
    std::map<std::string, attachment_upload, std::less<>> uploads;  ///< by the id in their URL

    // Settings.
    std::int64_t latency_ms = 0;   ///< every answer of Outlook takes so long
    std::int64_t page_max = 1000;  ///< the largest page that is served
    bool sparse_updates = true;    ///< Q69
    bool edit_received =
        false;  ///< the app may change words of what is no draft (Mail-Advanced, from 2026-12-31)
    bool chunked_mime = true;             ///< $value without Content-Length, as the service sends it
    bool attachments_at_creation = true;  ///< false: those in POST .../messages are passed over
    bool list_extended = true;            ///< false: $expand of extended properties in lists is refused
    int id_type_seen = 0;                 ///< 1: immutable ids were asked for, 2: mutable ones
    bool strict_cancelled = false;        ///< cancelledOccurrences are told only when they are selected
    std::uint64_t invitations_sent = 0;   ///< those of mails_sent that meetings caused
    std::uint64_t mails_sent = 0;         ///< by sending, or by making, changing and cancelling meetings
    bool no_record_delta = false;         ///< contacts and tasks have no delta, as in China (contract 1.7)
    bool hide_nested_folders = false;     ///< the feed of contact folders omits nested ones (Q79)
    bool feed_default_folder = false;     ///< ... and tells of the default one, as their list never does
    bool hide_nested_mail = false;        ///< the feed of mail folders omits nested ones (Q79)
    bool sparse_folders = false;  ///< ... and tells of a change by id and name, id and parent, or id alone
    bool null_parents = false;    ///< mail folders at the top tell null as what they lie in

    /// By the owner's directory id or address, in any case of letters.
    mailbox* find(std::string_view name);
    std::map<std::string, std::uint32_t, std::less<>> by_name;
};

/// One request to one mailbox, taken apart.
struct outlook_call {
    world& w;
    const request& r;
    mailbox& box;
    std::vector<std::string> rest;  ///< segments behind /users/{id}
    preferences prefer;
};

/// Whether the segment behind /users/{id} is one of Outlook's.
bool is_outlook_segment(std::string_view segment);
/// Whether a Graph path leads to a mailbox; then `mailbox` is what it was named by.
bool outlook_path(std::string_view path, std::string& mailbox);
response no_mailbox_answer(no_mailbox why, const std::string& segment);
response serve_outlook(world& w, const request& r, mailbox& b, std::vector<std::string> rest);

response serve_mail_folders(const outlook_call& c);
response serve_messages(const outlook_call& c, folder_index folder, std::size_t at);
response write_messages(const outlook_call& c, folder_index folder, std::size_t at);
response write_folders(const outlook_call& c, folder_index folder, std::size_t at);
/// A fragment of a large attachment, at the pre-authenticated URL.
response serve_attachment_upload(world& w, const request& r, const std::string& id);
response serve_folder_delta(const outlook_call& c);
response serve_message_delta(const outlook_call& c, folder_index folder);
response serve_mailbox_settings(const outlook_call& c);
response serve_message_rules(const outlook_call& c);
response serve_categories(const outlook_call& c);
response serve_contacts(const outlook_call& c);
response serve_todo(const outlook_call& c);

/// A group's mailbox; made without contents when there is none yet.
mailbox& mailbox_of(world& w, const group& g);
/// Makes the mailbox of a user or group with its well-known folders and seeded contents.
mailbox& add_mailbox(
    world& w, const std::string& owner_id, const std::string& kind, const std::string& address,
    const std::string& name
);
/// A user's mailbox; made without contents when there is none yet.
mailbox& mailbox_of(world& w, const user& u);
/// The same with contents.
mailbox& add_seeded_mailbox(world& w, const user& u, const std::string& purpose);
/// A message as the seed has it, for that folder; `average` bytes of MIME in the long run.
message seeded_message(
    const mailbox& b, rng& r, folder_index folder, std::int64_t when, std::int64_t average
);
/// Contacts, tasks, rules and categories for a mailbox; `odd`: what real ones may hold as well.
void seed_records(world& w, mailbox& b, bool odd);
/// Gives mailboxes to the users of a seeded tenant.
void seed_exchange(world& w);
/// The admin API below /_sim/exchange.
response serve_exchange_admin(world& w, const request& r, const std::vector<std::string>& segments);
/// The part of it below /_sim/exchange/records.
response serve_record_admin(world& w, const request& r, const std::vector<std::string>& segments);

}  // namespace m365stage::sim
