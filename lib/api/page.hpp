#pragma once

#include "api/message.hpp"

namespace m365stage::api {

/// The status page and its parts: "/", "/page.css", "/page.js". They hold no data, so they need no token; 304
/// if the client has the same already.
response page_response(const request& r);

}  // namespace m365stage::api
