#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "exchange.hpp"
#include "records.hpp"

/// What contacts and tasks have in common: lists, change feeds, bodies of requests
/// (contract, 6.6, 6.7, 10.4).
namespace m365stage::sim {

/// How one kind of record looks to clients.
struct record_kind {
    const char* type;                              ///< "contact"
    const char* folder_type;                       ///< "contactFolder"
    const char* folders_path;                      ///< "/contactFolders"
    const char* items_path;                        ///< "/contacts"
    bool immutable_ids;                            ///< ids are constant whatever is preferred
    std::span<const std::string_view> properties;  ///< that $select may name
    nlohmann::json (*item)(const record_store&, record_index, bool immutable);
    nlohmann::json (*folder)(const record_store&, std::uint32_t);
};
extern const record_kind contact_kind;
extern const record_kind task_kind;

record_store& contacts_of(mailbox& b);
record_store& tasks_of(mailbox& b);

/// The object of a request's body. False: `out` is the answer.
bool read_object(const outlook_call& c, nlohmann::json& body, response& out);
response wrong_method();

response answer_record(
    const outlook_call& c, const record_kind& k, const record_store& s, record_index i, int status
);
response answer_list(
    const outlook_call& c, const std::string& context, const std::vector<nlohmann::json>& all
);
response list_records(const outlook_call& c, const record_kind& k, const record_store& s, std::uint32_t f);
response serve_record_delta(
    const outlook_call& c, const record_kind& k, const record_store& s, std::uint32_t f
);
response serve_record_folder_delta(const outlook_call& c, const record_kind& k, const record_store& s);

}  // namespace m365stage::sim
