#include "sources/contact_item.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "core/hash.hpp"
#include "core/time.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

constexpr std::array contact_kept{
    "assistantName", "birthday",        "businessAddress", "businessHomePage", "businessPhones",
    "categories",    "children",        "companyName",     "createdDateTime",  "department",
    "displayName",   "emailAddresses",  "fileAs",          "generation",       "givenName",
    "homeAddress",   "homePhones",      "imAddresses",     "initials",         "jobTitle",
    "manager",       "middleName",      "mobilePhone",     "nickName",         "officeLocation",
    "otherAddress",  "personalNotes",   "profession",      "spouseName",       "surname",
    "title",         "yomiCompanyName", "yomiGivenName",   "yomiSurname",
};

}  // namespace

std::string_view contact_members() {
    static const auto all = selection("changeKey,lastModifiedDateTime,parentFolderId", contact_kept);
    return all;
}

std::optional<index::item_change> parse_contact_folder(const json& element) {
    json meta = json::object();
    if (const auto known = text(element, "wellKnownName"); !known.empty()) {
        meta["wellKnownName"] = known;
    }
    return parse_record_folder(element, text(element, "parentFolderId"), meta);
}

bool is_sparse_contact(const json& element) {
    return element.is_object() && !is_removed(element) &&
           !(element.contains("displayName") && element.contains("emailAddresses") &&
             element.contains("createdDateTime"));
}

std::string contact_content_key(const json& meta) {
    return "vcard " + core::short_tag(canonical(meta));
}

std::string contact_name(const json& meta) {
    if (auto name = text(meta, "displayName"); !name.empty()) {
        return name;
    }
    const auto given = text(meta, "givenName");
    const auto surname = text(meta, "surname");
    if (!given.empty() || !surname.empty()) {
        return given + (given.empty() || surname.empty() ? "" : " ") + surname;
    }
    for (const char* key : {"fileAs", "nickName", "companyName"}) {
        if (auto other = text(meta, key); !other.empty()) {
            return other;
        }
    }
    if (const auto* mails = member(meta, "emailAddresses"); mails != nullptr && mails->is_array()) {
        for (const auto& mail : *mails) {
            if (auto address = text(mail, "address"); !address.empty()) {
                return address;
            }
        }
    }
    return {};
}

json contact_facts(const json& element) {
    json meta = chosen(element, contact_kept);
    drop_empty(meta);
    return meta;
}

std::optional<index::item_change> parse_contact(const json& element, const std::string& folder) {
    const auto meta = contact_facts(element);
    auto c = parse_record(element, meta);
    if (!c || c->removed) {
        return c;
    }
    c->parent_remote_id = text(element, "parentFolderId");
    if (c->parent_remote_id.empty()) {
        c->parent_remote_id = folder;
    }
    c->name = record_file_name(contact_name(meta), c->remote_id, ".vcf");
    c->hash = contact_content_key(meta);
    return c;
}

}  // namespace m365stage::sources
