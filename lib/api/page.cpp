#include "api/page.hpp"

#include "api/page_files.hpp"
#include "core/hash.hpp"

namespace m365stage::api {
namespace {

// Everything comes from here and goes to here; nothing inline runs, nobody may frame it.
constexpr const char* policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri "
    "'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace

response page_response(const request& r) {
    response out;
    if (r.path == "/page.css") {
        out.content_type = "text/css; charset=utf-8";
        out.body = page_css;
    } else if (r.path == "/page.js") {
        out.content_type = "text/javascript; charset=utf-8";
        out.body = page_js;
    } else {
        out.content_type = "text/html; charset=utf-8";
        out.body = index_html;
    }
    const auto tag = "\"" + core::short_tag(out.body) + "\"";
    out.fields.emplace_back("ETag", tag);
    out.fields.emplace_back("Cache-Control", "no-cache");
    out.fields.emplace_back("Content-Security-Policy", policy);
    if (r.if_none_match == tag) {
        out.status = 304;
        out.body.clear();
    }
    return out;
}

}  // namespace m365stage::api
