#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "http_types.hpp"
#include "text.hpp"

/// The fault plan: which requests get which misbehaviour. The kinds themselves are in faults/.
namespace m365stage::sim {

/// Where a fault takes effect.
enum class fault_stage : std::uint8_t {
    before,  ///< answers instead of the handler
    after,   ///< spoils what the handler answered
    feed,    ///< asked for by name while a feed or an item is produced
};

/// One named parameter of a fault kind.
struct fault_parameter {
    const char* name;
    const char* meaning;
    bool (*valid)(const nlohmann::json& value) = nullptr;  ///< nullptr: anything goes
};

/// One kind of fault. `apply` is used for the stages before and after.
struct fault_kind {
    const char* name;
    const char* meaning;
    fault_stage stage;
    std::vector<fault_parameter> parameters;
    std::function<void(const nlohmann::json& parameters, const request&, response&)> apply;
};

/// All kinds, in the order of the documentation.
const std::vector<fault_kind>& fault_kinds();

/// One entry of the plan: a kind, what it matches and how often it still strikes.
struct fault {
    std::uint64_t id = 0;
    const fault_kind* kind = nullptr;
    std::shared_ptr<nlohmann::json> parameters;
    std::string method;
    std::string service;
    std::string drive;
    std::string item;
    std::optional<std::regex> path;
    std::string path_text;
    std::int64_t nth = 0;     ///< strikes from the n-th matching request on
    std::int64_t count = -1;  ///< strikes left; negative: for ever
    double probability = 1.0;
    std::int64_t delay_ms = 0;
    std::int64_t seen = 0;
    std::int64_t struck = 0;
    rng dice{0};
};

/// What a feed fault is matched against.
struct feed_context {
    const request* http = nullptr;
    std::string_view drive;
    std::string_view item;
};

class fault_engine {
public:
    /// Adds a fault from its JSON form. Returns its id, or a sentence that says what is wrong with it.
    std::uint64_t add(const nlohmann::json& spec, std::string& error);
    /// Adds a named preset; false when there is none of that name.
    bool add_preset(const std::string& name, std::uint64_t seed);
    void clear() { plan_.clear(); }
    bool remove(std::uint64_t id);
    nlohmann::json list() const;
    bool empty() const { return plan_.empty(); }

    /// Whether the request is answered by a fault. `delay_ms` receives the pause before the answer.
    bool before(const request& r, std::string_view service, response& out, std::int64_t& delay_ms);
    void after(const request& r, std::string_view service, response& out);
    /// The parameters of the first matching feed fault of that kind, counted as struck; null when there is
    /// none.
    const nlohmann::json* take(std::string_view kind, const feed_context& context);
    /// As take(), but for faults that describe a lasting habit: neither counted nor diced.
    const nlohmann::json* habit(std::string_view kind, const feed_context& context);

private:
    bool matches(fault& f, const request& r, std::string_view service);
    bool strikes(fault& f);
    std::list<fault> plan_;
    std::uint64_t next_id_ = 0;
};

}  // namespace m365stage::sim
