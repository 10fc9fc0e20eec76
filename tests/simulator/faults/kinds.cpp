// The table of all kinds of fault; each group has its own file.
#include "kinds.hpp"

namespace m365stage::sim {

const std::vector<fault_kind>& fault_kinds() {
    static const std::vector<fault_kind> all = [] {
        std::vector<fault_kind> out;
        add_answer_faults(out);
        add_body_faults(out);
        add_transport_faults(out);
        add_feed_faults(out);
        return out;
    }();
    return all;
}

}  // namespace m365stage::sim
