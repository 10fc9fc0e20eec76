#include "sources/vcard.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "sources/contact_item.hpp"
#include "sources/fields.hpp"
#include "sources/ics_stream.hpp"

namespace m365stage::sources {
namespace {

using nlohmann::json;

/// A value's text (RFC 2426, 4): line breaks and what separates values are escaped, other control characters
/// become blanks.
std::string escaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
            continue;
        }
        if (c == '\n' || c == '\r') {
            out += "\\n";
        } else if (c == '\\' || c == ',' || c == ';') {
            out += '\\';
            out += c;
        } else {
            out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
        }
    }
    return out;
}

/// A list member's texts; what is no text is passed over.
std::vector<std::string> texts(const json& object, std::string_view key) {
    std::vector<std::string> out;
    if (const auto* list = member(object, key); list != nullptr && list->is_array()) {
        for (const auto& one : *list) {
            if (one.is_string() && !one.get_ref<const std::string&>().empty()) {
                out.push_back(one.get<std::string>());
            }
        }
    }
    return out;
}

class writer {
public:
    explicit writer(const json& contact) : contact_(contact) {}

    void line(std::string_view name, std::string_view value) {
        out_ += folded(std::string(name) + ":" + std::string(value)) + "\r\n";
    }

    /// A line for a text member, if the contact has it.
    void member_line(std::string_view name, std::string_view key) {
        if (const auto value = text(contact_, key); !value.empty()) {
            line(name, escaped(value));
        }
    }

    /// Several members in one value, as N and ORG have them, if the contact has one of them.
    void structured(std::string_view name, std::initializer_list<std::string_view> keys) {
        std::string value;
        bool any = false;
        bool first = true;
        for (const auto key : keys) {
            const auto part = text(contact_, key);
            any = any || !part.empty();
            value += (first ? "" : ";") + escaped(part);
            first = false;
        }
        if (any) {
            line(name, value);
        }
    }

    void name() {
        const auto known_as = contact_name(contact_);
        line("FN", escaped(known_as));
        std::string value;
        for (const char* key : {"surname", "givenName", "middleName", "title", "generation"}) {
            value += (value.empty() && std::string_view(key) == "surname" ? "" : ";") +
                     escaped(text(contact_, key));
        }
        line("N", value);
    }

    void each(std::string_view name, std::string_view key) {
        for (const auto& value : texts(contact_, key)) {
            line(name, escaped(value));
        }
    }

    void mails() {
        const auto* list = member(contact_, "emailAddresses");
        int number = 0;
        for (const auto& mail : list != nullptr && list->is_array() ? *list : json::array()) {
            const auto address = text(mail, "address");
            const auto known_as = text(mail, "name");
            if (address.empty() && known_as.empty()) {
                continue;
            }
            const auto group = "item" + std::to_string(++number) + ".";
            line(
                group + (number == 1 ? "EMAIL;TYPE=INTERNET,PREF" : "EMAIL;TYPE=INTERNET"), escaped(address)
            );
            if (!known_as.empty()) {
                line(group + "X-ABLABEL", escaped(known_as));
            }
        }
    }

    void address(std::string_view type, std::string_view key) {
        const auto* place = member(contact_, key);
        if (place == nullptr || !place->is_object()) {
            return;
        }
        std::string value = ";";
        bool any = false;
        for (const char* part : {"street", "city", "state", "postalCode", "countryOrRegion"}) {
            const auto one = text(*place, part);
            any = any || !one.empty();
            value += ";" + escaped(one);
        }
        if (any) {
            line("ADR;TYPE=" + std::string(type), value);
        }
    }

    /// A date alone: the time of day that the service adds says nothing. 1604 stands for "no year".
    void birthday() {
        const auto when = text(contact_, "birthday").substr(0, 10);
        if (!when.empty()) {
            line(when.starts_with("1604-") ? "BDAY;X-APPLE-OMIT-YEAR=1604" : "BDAY", escaped(when));
        }
    }

    void categories() {
        std::string value;
        for (const auto& one : texts(contact_, "categories")) {
            value += (value.empty() ? "" : ",") + escaped(one);
        }
        if (!value.empty()) {
            line("CATEGORIES", value);
        }
    }

    std::string take() { return std::move(out_); }

private:
    const json& contact_;
    std::string out_;
};

struct named_member {
    std::string_view name, key;
};

constexpr std::array own_members{
    named_member{"X-FILE-AS", "fileAs"},
    named_member{"X-INITIALS", "initials"},
    named_member{"X-OFFICE-LOCATION", "officeLocation"},
    named_member{"X-MANAGER", "manager"},
    named_member{"X-ASSISTANT", "assistantName"},
    named_member{"X-SPOUSE", "spouseName"},
    named_member{"X-PHONETIC-FIRST-NAME", "yomiGivenName"},
    named_member{"X-PHONETIC-LAST-NAME", "yomiSurname"},
    named_member{"X-PHONETIC-ORG", "yomiCompanyName"},
    named_member{"X-CREATED", "createdDateTime"},
};

}  // namespace

std::string vcard_without_end(const json& contact, std::string_view remote_id) {
    writer w(contact);
    w.line("BEGIN", "VCARD");
    w.line("VERSION", "3.0");
    w.line("UID", escaped(remote_id));
    w.name();
    w.member_line("NICKNAME", "nickName");
    w.structured("ORG", {"companyName", "department"});
    w.member_line("TITLE", "jobTitle");
    w.member_line("ROLE", "profession");
    w.mails();
    w.member_line("TEL;TYPE=CELL,VOICE", "mobilePhone");
    w.each("TEL;TYPE=WORK,VOICE", "businessPhones");
    w.each("TEL;TYPE=HOME,VOICE", "homePhones");
    w.each("IMPP", "imAddresses");
    w.address("WORK", "businessAddress");
    w.address("HOME", "homeAddress");
    w.address("X-OTHER", "otherAddress");
    w.birthday();
    w.member_line("URL", "businessHomePage");
    w.categories();
    w.member_line("NOTE", "personalNotes");
    w.each("X-CHILD", "children");
    for (const auto& m : own_members) {
        w.member_line(m.name, m.key);
    }
    return w.take();
}

std::string vcard_photo(std::string_view media_type) {
    std::string type;
    const auto slash = media_type.find('/');
    for (const char c : slash == std::string_view::npos ? media_type : media_type.substr(slash + 1)) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter || type.size() > 16) {
            break;
        }
        type += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return "PHOTO;ENCODING=b;TYPE=" + (type.empty() ? "JPEG" : type) + ":\r\n ";
}

}  // namespace m365stage::sources
