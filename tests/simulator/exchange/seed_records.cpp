// Contacts, tasks, rules and categories from a seed; and the oddities of the first mailbox.
#include <array>

#include "../world.hpp"
#include "record_admin.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

constexpr std::array contact_names{"Ada", "Böla", "Chloé", "Dmitrij", "Eun-ji", "Faisal", "Grace", "Ōtani"};
constexpr std::array surnames{"Lovelace", "Müller",       "O'Neill", "Kovács",
                              "Nguyễn",   "Smith; Jones", "Öz",      "山田"};
constexpr std::array streets{"Hauptstraße 7", "1 Main Street\nSuite 5", "Calle, Mayor; 3", "Dock 4"};

template <std::size_t N>
std::string pick(rng& r, const std::array<const char*, N>& from) {
    return from[r.below(N)];
}

std::string phone(rng& r) {
    return "+49 30 " + std::to_string(1000000 + r.below(9000000));
}

json random_address(rng& r) {
    return {
        {"street", pick(r, streets)},
        {"city", r.chance(0.5) ? "Berlin" : "Lisboa"},
        {"state", r.chance(0.5) ? "BE" : ""},
        {"postalCode", std::to_string(10000 + r.below(80000))},
        {"countryOrRegion", "Germany"}
    };
}

}  // namespace

json seeded_contact(rng& r) {
    const std::string given = pick(r, contact_names);
    const std::string surname = pick(r, surnames);
    json j = {
        {"givenName", given},
        {"surname", surname},
        {"displayName", given + " " + surname},
        {"fileAs", surname + ", " + given}
    };
    const auto may = [&](const char* key, const json& value) {
        if (r.chance(0.5)) {
            j[key] = value;
        }
    };
    may("emailAddresses",
        {{{"name", given + " " + surname}, {"address", "a" + std::to_string(r.below(99)) + "@x.example"}},
         {{"name", ""}, {"address", "second@y.example"}}});
    may("businessPhones", {phone(r), phone(r)});
    may("homePhones", {phone(r)});
    may("mobilePhone", phone(r));
    may("imAddresses", {"sip:" + given + "@x.example"});
    may("businessAddress", random_address(r));
    may("homeAddress", random_address(r));
    may("otherAddress", random_address(r));
    may("birthday", "1" + std::to_string(900 + r.below(99)) + "-02-28T11:59:00Z");
    may("companyName", "Fabrikam, \"Inc.\"");
    may("department", "R&D; Berlin");
    may("jobTitle", "Head of\\Things");
    may("title", "Dr.");
    may("middleName", "M.");
    may("generation", "Jr.");
    may("initials", "A.M.L.");
    may("nickName", "Nick");
    may("businessHomePage", "https://x.example/~a?b=c");
    may("categories", {"Blue category", "Prio, 1"});
    may("children", {"Kim", "Lee"});
    may("personalNotes", "First line\r\nsecond; line, with commas\nthird \\ line");
    may("spouseName", "Sam");
    may("manager", "The Boss");
    may("assistantName", "Assi");
    may("officeLocation", "B-12");
    may("profession", "Analyst");
    may("yomiGivenName", "タロウ");
    may("yomiSurname", "ヤマダ");
    may("yomiCompanyName", "ファブリカム");
    return j;
}

json seeded_task(rng& r) {
    json j = {{"title", pick(r, streets) + " " + std::to_string(r.below(1000))}};
    const auto at = [&](int day) {
        return json{
            {"dateTime", "2026-12-" + std::to_string(10 + day) + "T00:00:00.0000000"}, {"timeZone", "UTC"}
        };
    };
    if (r.chance(0.5)) {
        j["body"] = {
            {"contentType", r.chance(0.5) ? "text" : "html"}, {"content", "Do it <b>now</b>\n\tor later"}
        };
    }
    if (r.chance(0.5)) {
        j["dueDateTime"] = at(static_cast<int>(r.below(10)));
    }
    if (r.chance(0.2)) {
        j["recurrence"] = {
            {"pattern",
             {{"type", "weekly"}, {"interval", 1}, {"daysOfWeek", {"monday"}}, {"firstDayOfWeek", "sunday"}}},
            {"range", {{"type", "noEnd"}, {"startDate", "2026-12-01"}, {"endDate", "0001-01-01"}}}
        };
        j["dueDateTime"] = at(5);
    }
    if (r.chance(0.3)) {
        j["isReminderOn"] = true;
        j["reminderDateTime"] = at(1);
    }
    if (r.chance(0.3)) {
        j["status"] = "completed";
        j["completedDateTime"] = at(0);
    }
    j["importance"] = r.chance(0.2) ? "high" : "normal";
    j["categories"] = r.chance(0.3) ? json{"Red category"} : json::array();
    return j;
}

content seeded_photo(rng& r) {
    content c;
    c.seed = r.next();
    c.size = static_cast<std::int64_t>(200 + r.below(5000));
    return c;
}

void furnish_task(record& t, rng& r, std::int64_t now) {
    for (std::uint64_t n = r.below(4); n > 0; --n) {
        t.checklist.push_back(
            {t.next_part++,
             {{"displayName", "Step " + std::to_string(n)},
              {"isChecked", r.chance(0.5)},
              {"createdDateTime", iso_time(now)}}}
        );
    }
    if (r.chance(0.3)) {
        t.links.push_back(
            {t.next_part++,
             {{"applicationName", "Tickets"},
              {"displayName", "T-1"},
              {"externalId", "1"},
              {"webUrl", "https://x.example/t/1"}}}
        );
    }
    for (std::uint64_t n = r.below(5) == 0 ? 2 : 0; n > 0; --n) {
        attachment a;
        a.number = t.next_part++;
        a.name = "note " + std::to_string(n) + ".bin";
        a.modified = now;
        a.data.seed = r.next();
        a.data.size = static_cast<std::int64_t>(r.below(20000));
        t.attachments.push_back(std::move(a));
    }
}

namespace {

void seed_odd_contacts(record_store& s, std::uint32_t f, std::int64_t now) {
    s.add(f, json::object(), now);  // no name at all
    s.add(f, {{"companyName", "Only a company"}}, now);
    s.add(f, {{"displayName", "with/slash \x01 and: more"}, {"personalNotes", "bell \x07"}}, now);
    std::string wide;
    for (int i = 0; i < 120; ++i) {
        wide += "長い";
    }
    s.add(f, {{"displayName", wide}, {"personalNotes", wide + wide}}, now);
    s.add(f, {{"displayName", "Twin"}}, now);
    s.add(f, {{"displayName", "Twin"}}, now);
    s.add(
        f, {{"displayName", "leap"}, {"birthday", "1604-02-29T00:00:00Z"}}, now
    );  // a birthday without a year
}

}  // namespace

void seed_records(world& w, mailbox& b, bool odd) {
    rng r(b.seed ^ 0xc0);
    record_store& contacts = contacts_of(b);
    const std::uint32_t standard = contacts.find_well_known("contacts");
    const std::uint32_t friends = contacts.add_folder("Friends", standard);
    const std::uint32_t nested = contacts.add_folder("Chess/Club", friends);
    const std::int64_t when = w.now() - 30 * day_seconds;
    for (std::int64_t i = 0; i < 12; ++i) {
        const std::uint32_t f = i < 7 ? standard : i < 10 ? friends : nested;
        const record_index one = contacts.add(f, seeded_contact(r), when + i * 60);
        if (r.chance(0.3)) {
            contacts.at(one).photo = seeded_photo(r);
        }
    }
    record_store& tasks = tasks_of(b);
    const std::uint32_t list = tasks.add_folder("Shopping: food", nowhere);
    for (std::int64_t i = 0; i < 10; ++i) {
        const record_index one = tasks.add(i < 6 ? 0 : list, seeded_task(r), when + i * 60);
        furnish_task(tasks.at(one), r, when);
    }
    tasks.add(tasks.find_well_known("flaggedEmails"), {{"title", "a flagged mail"}}, when);
    b.rules = std::make_shared<json>(json::array(
        {{{"id", w.fresh_id()},
          {"displayName", "To Friends"},
          {"sequence", 1},
          {"isEnabled", true},
          {"hasError", false},
          {"isReadOnly", false},
          {"conditions", {{"senderContains", {"x.example"}}}},
          {"actions",
           {{"moveToFolder", b.folder_id(b.find_well_known("archive"))}, {"stopProcessingRules", true}}}}}
    ));
    if (odd) {
        seed_odd_contacts(contacts, contacts.add_folder("zoo", standard), when);
        contacts.add_folder("empty", standard);
    }
}

}  // namespace m365stage::sim
