// Fuzz target: URLs, redirect targets, header rules, the answer parser and gzip. None may crash, read out of
// bounds or let through bytes that would change a request.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/answer.hpp"
#include "http/gzip.hpp"
#include "http/http.hpp"
#include "http/redirect.hpp"
#include "http/wire.hpp"

namespace {

using namespace m365stage;

void need(bool holds) {
    if (!holds) {
        std::abort();
    }
}

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t n = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) {
        ++n;
    }
    return n;
}

void check_url(std::string_view text) {
    const auto url = http::parse_url(text);
    if (!url) {
        return;
    }
    need(url->target.starts_with('/') && !url->host.empty());
    // What was taken apart is the same when put together again.
    const auto again = http::parse_url(url->scheme + "://" + http::authority_of(*url) + url->target);
    need(again.has_value() && again->origin() == url->origin() && again->target == url->target);
    const auto next = http::resolve_location(*url, text);
    need(next.has_value());
    http::request r;
    r.fields.add("X", text);
    const auto head = http::make_head(r, *url, http::target_form::origin);
    need(!head || count(*head, "\r\n") == 4);
}

void check_head(std::string_view name, std::string_view value) {
    const auto at = http::parse_url("https://h/");
    http::request r;
    r.fields.add(name, value);
    const auto head = http::make_head(r, *at, http::target_form::absolute);
    need(!head || count(*head, "\n") <= 4);
}

void check_answer(std::string_view bytes, std::size_t step) {
    http::answer_limits limits;
    limits.max_body_bytes = 1000;
    http::answer_parser parser(limits);
    std::string rest;
    for (std::size_t i = 0; i < bytes.size() && !parser.is_done(); i += step) {
        rest += bytes.substr(i, step);
        const auto used = parser.feed(rest);
        if (!used) {
            return;
        }
        need(*used <= rest.size());
        rest.erase(0, *used);
    }
    (void)parser.finish();
    need(parser.body().size() <= limits.max_body_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    check_url(text);
    const auto cut = std::min<std::size_t>(data[1], text.size());
    check_head(text.substr(0, cut), text.substr(cut));
    check_answer(text, data[0] + std::size_t{1});
    const auto plain = http::gunzip(text, 4096);
    need(!plain || plain->size() <= 4096);
    for (char c : http::percent_encode(text)) {
        need(c > 0x20 && c < 0x7f);
    }
    return 0;
}
