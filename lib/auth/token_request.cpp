#include "auth/token_request.hpp"

#include "auth/encoding.hpp"

namespace m365stage::auth {
namespace {

std::string trimmed(std::string url) {
    while (!url.empty() && url.back() == '/') {
        url.pop_back();
    }
    return url;
}

http::timeouts login_limits() {
    http::timeouts out;
    out.first_byte = std::chrono::seconds(30);
    out.idle = std::chrono::seconds(30);
    return out;
}

http::request form_request(const credential& c, std::string form, std::string_view claims) {
    http::request out;
    out.verb = http::method::post;
    out.url = token_endpoint(c);
    out.fields.set("Content-Type", "application/x-www-form-urlencoded");
    out.fields.set("Accept", "application/json");
    out.fields.set("client-request-id", fresh_guid());
    form += "&scope=" + form_encode(trimmed(c.graph_url) + "/.default");
    if (!claims.empty()) {
        form += "&claims=" + form_encode(claims);
    }
    out.body = std::move(form);
    out.limits = login_limits();
    out.max_body_bytes = 256u << 10;
    return out;
}

std::string form_start(const credential& c) {
    return "grant_type=client_credentials&client_id=" + form_encode(c.client_id);
}

}  // namespace

std::string token_endpoint(const credential& c) {
    return trimmed(c.login_url) + "/" + form_encode(c.tenant) + "/oauth2/v2.0/token";
}

http::request secret_request(const credential& c, std::string_view secret, std::string_view claims) {
    return form_request(c, form_start(c) + "&client_secret=" + form_encode(secret), claims);
}

http::request assertion_request(const credential& c, std::string_view assertion, std::string_view claims) {
    std::string form = form_start(c);
    form += "&client_assertion_type=" + form_encode("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    form += "&client_assertion=" + form_encode(assertion);
    return form_request(c, std::move(form), claims);
}

http::request metadata_request(const credential& c) {
    http::request out;
    out.url = trimmed(c.managed_identity_url) +
              "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" +
              form_encode(trimmed(c.graph_url) + "/");
    if (!c.client_id.empty()) {
        out.url += "&client_id=" + form_encode(c.client_id);
    }
    out.fields.set("Metadata", "true");
    out.limits = login_limits();
    out.limits.connect = std::chrono::seconds(5);
    out.max_body_bytes = 256u << 10;
    return out;
}

std::string strip_line_end(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
        text.pop_back();
    }
    return text;
}

}  // namespace m365stage::auth
