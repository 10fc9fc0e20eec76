#pragma once

#include "../faults.hpp"

namespace m365stage::sim {

void add_answer_faults(std::vector<fault_kind>& out);     ///< another status instead of the answer
void add_body_faults(std::vector<fault_kind>& out);       ///< the answer's text is spoilt
void add_transport_faults(std::vector<fault_kind>& out);  ///< the connection is spoilt
void add_feed_faults(std::vector<fault_kind>& out);       ///< feeds and items behave oddly

}  // namespace m365stage::sim
