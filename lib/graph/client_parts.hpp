#pragma once

#include <memory>

#include "async/timing.hpp"
#include "graph/client.hpp"

namespace m365stage::graph {

/// As the public one, with the clock given. Lifetime: all references outlive the client.
std::unique_ptr<client> make_client(
    http::transport& transport, auth::token_source& tokens, client_options options, async::timing& clock
);

}  // namespace m365stage::graph
