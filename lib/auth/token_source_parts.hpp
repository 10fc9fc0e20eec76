#pragma once

#include <memory>

#include "async/timing.hpp"
#include "auth/token_source.hpp"

namespace m365stage::auth {

/// As the public one, with the clock given. Lifetime: both references outlive the token source; a renewal in
/// flight is cancelled with it and ends when the io_context runs on.
std::unique_ptr<token_source> make_token_source(
    http::transport& transport, credential c, async::timing& clock
);

}  // namespace m365stage::auth
