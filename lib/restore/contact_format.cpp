#include <nlohmann/json.hpp>

#include "restore/embedded.hpp"
#include "restore/record_folder.hpp"
#include "sources/contact_item.hpp"
#include "sources/fields.hpp"
#include "sources/outlook.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;
using sources::text;

constexpr std::int64_t longest_photo = 8 << 20;  // as base64; the service takes 4 MB at most

class contacts final : public record_format {
public:
    std::string folders() const override { return "/contactFolders"; }
    std::string items() const override { return "/contacts"; }
    std::string well_known_folder() const override { return "contacts"; }
    bool nests() const override { return true; }
    std::string folder_word() const override { return "contact folder"; }
    std::string item_word() const override { return "contact"; }
    bool joins_cards() const override { return true; }

    json body_of(const json& item) const override {
        json body = sources::contact_facts(item);
        body.erase("createdDateTime");  // the service sets it
        return body;
    }

    std::string identity_of(const json& body) const override {
        std::string mail;
        if (const auto* list = sources::member(body, "emailAddresses");
            list != nullptr && list->is_array() && !list->empty()) {
            mail = text(list->front(), "address");
        }
        return folded(sources::contact_name(body)) + "\n" + folded(mail);
    }

    task<core::result<void>> complete(
        context& with, const std::string& owner, const std::string& address, const object& o, entry e
    ) const override {
        auto look = [&with, &o] { return find_photo(with.tree.root(), o.path); };
        auto photo = co_await with.disk.run(std::move(look));
        if (!photo) {
            co_return photo.error();
        }
        if (!*photo) {
            co_return core::result<void>();
        }
        auto refused = co_await with.log.find(o.path + "\nphoto", o.mark);
        auto call = sources::mailbox_call(owner, address + "/photo", o.path);
        if (!is_replaced(e) && !is_replaced(refused)) {
            auto there = co_await with.graph.send(call);
            if (there) {
                co_return core::result<void>();
            }
            if (there.error().kind != core::error_kind::not_found) {
                co_return there.error();
            }
        }
        auto read = [&with, &o, &photo] { return photo_bytes(with, o, (*photo)->where); };
        auto bytes = co_await with.disk.run(std::move(read));
        if (!bytes) {
            co_return bytes.error();
        }
        call.target += "/$value";
        call.verb = http::method::put;
        call.fields.set("Content-Type", (*photo)->media_type);
        call.body = std::move(*bytes);
        co_await with.pace.admit(owner, call.body.size());
        auto put = co_await with.graph.send(std::move(call));
        if (!put &&
            (core::is_transient(put.error().kind) || put.error().kind == core::error_kind::not_found)) {
            co_return put.error();
        }
        if (!put) {
            e.kind = "photo";
            e.name = is_replaced(refused) ? refused.name : e.name;
            co_await note(with, o.path + "\nphoto", std::move(e), outcome::failed, reason_of(put.error()));
        }
        co_return core::result<void>();
    }

private:
    static core::result<std::string> photo_bytes(context& with, const object& o, embedded_bytes where) {
        if (where.length > longest_photo) {
            core::error e(core::error_kind::too_large, "the photo is larger than a contact may have");
            return e;
        }
        embedded_reader reader(with.tree.root(), o.path, where);
        return reader.read(static_cast<std::size_t>(longest_photo / 4 * 3));
    }
};

}  // namespace

const record_format& contact_format() {
    static const contacts one;
    return one;
}

}  // namespace m365stage::restore
