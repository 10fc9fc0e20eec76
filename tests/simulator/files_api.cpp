// The file host: pre-authenticated downloads with ranges. It knows no tokens but the one in the URL.
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "world.hpp"

namespace m365stage::sim {

namespace {

constexpr std::uint64_t url_key = 0x74656d70;

response plain(int status, const char* text) {
    response r;
    r.status = status;
    r.body = text;
    r.content_type = "text/plain; charset=utf-8";
    return r;
}

enum class range_kind { unusable, satisfiable, unsatisfiable };

/// Parses "bytes=a-b" for a file of `size` bytes.
range_kind parse_range(
    const std::string& header, std::int64_t size, std::int64_t& from, std::int64_t& length
) {
    if (!header.starts_with("bytes=") || header.find(',') != header.npos) {
        return range_kind::unusable;
    }
    auto dash = header.find('-');
    if (dash == header.npos) {
        return range_kind::unusable;
    }
    std::int64_t a = -1;
    std::int64_t b = -1;
    std::from_chars(header.data() + 6, header.data() + dash, a);
    std::from_chars(header.data() + dash + 1, header.data() + header.size(), b);
    if (a < 0 && b < 0) {
        return range_kind::unusable;
    }
    if (a < 0) {
        a = std::max<std::int64_t>(0, size - b);
        b = size - 1;
    }
    if (a >= size) {
        return range_kind::unsatisfiable;
    }
    b = b < 0 ? size - 1 : std::min(b, size - 1);
    from = a;
    length = b - a + 1;
    return length > 0 ? range_kind::satisfiable : range_kind::unusable;
}

/// What a pre-authenticated URL says, if it is one of ours.
std::optional<nlohmann::json> claims_of(const request& r) {
    auto parts = split(r.parameter("tempauth"), '.');
    auto text = parts.size() == 3 ? base64_decode(parts[1]) : std::nullopt;
    if (!text || hex64(hash_of(*text, url_key)) != parts[2]) {
        return std::nullopt;
    }
    return nlohmann::json::parse(*text);
}

/// The bytes of a version; of the present one if the number is 0.
std::optional<content> content_of(const drive& d, item_index i, std::int64_t number) {
    if (number == 0) {
        return d.served(i);
    }
    const auto* e = d.extra(i);
    for (const auto& v : e != nullptr ? e->versions : std::vector<version>()) {
        if (v.number == number) {
            return v.data;
        }
    }
    return std::nullopt;
}

/// The answer with the bytes that the request asks for.
response answer_with(world& w, const request& r, content data) {
    response out;
    out.content_type = "application/octet-stream";
    std::int64_t from = 0;
    std::int64_t length = data.size;
    std::string header = r.header("range");
    if (!header.empty() && !w.ignore_ranges) {
        auto range = parse_range(header, data.size, from, length);
        if (range == range_kind::unsatisfiable || (w.range_needs_accept && r.header("accept").empty())) {
            response refusal = plain(416, "416 Requested Range Not Satisfiable");
            refusal.set("Content-Range", "bytes */" + std::to_string(data.size));
            return refusal;
        }
        if (range == range_kind::satisfiable) {
            out.status = 206;
            out.set(
                "Content-Range", "bytes " + std::to_string(from) + "-" + std::to_string(from + length - 1) +
                                     "/" + std::to_string(data.size)
            );
        }
    }
    out.file = std::make_shared<content_reader>(std::move(data));
    out.file_offset = from;
    out.file_length = length;
    return out;
}

}  // namespace

std::string download_url(
    world& w, const drive& d, item_index i, std::int64_t lifetime, std::uint32_t number
) {
    std::string claims = R"({"exp":")" + std::to_string(w.now() + lifetime) + R"(","d":")" +
                         std::to_string(d.number) + R"(","i":")" + std::to_string(i) + R"(","v":")" +
                         std::to_string(number) + "\"}";
    std::string token = "v1." + base64url(claims) + "." + hex64(hash_of(claims, url_key));
    std::string url = w.files_origin;
    auto host_end = d.web_url.find('/', 8);
    url += d.web_url.substr(host_end, d.web_url.rfind('/') - host_end);
    return url + "/_layouts/15/download.aspx?UniqueId=" + d.item_guid(i) +
           "&Translate=false&tempauth=" + token + "&ApiVersion=2.0";
}

response serve_files(world& w, const request& r) {
    if (r.has_header("authorization")) {
        w.manners.violation(
            "authorization_on_file_host", r, "a pre-authenticated URL got an Authorization header"
        );
        if (w.reject_authorization) {
            return plain(401, "401 Unauthorized");
        }
    }
    if (r.path.starts_with("/_upload/")) {
        return serve_upload(w, r, r.path.substr(9));
    }
    auto claims = claims_of(r);
    if (!claims) {
        return plain(401, "401 Unauthorized");
    }
    auto number = [&](const char* key) { return std::stoll((*claims)[key].get<std::string>()); };
    if (number("exp") <= w.now()) {
        return plain(401, "401 Unauthorized");
    }
    auto drive_number = static_cast<std::uint32_t>(number("d"));
    auto i = static_cast<item_index>(number("i"));
    if (drive_number >= w.directory.drive_count() || w.directory.drive_at(drive_number).removed ||
        i >= w.directory.drive_at(drive_number).items().size()) {
        return plain(404, "404 FILE NOT FOUND");
    }
    drive& d = w.directory.drive_at(drive_number);
    const item& it = d.at(i);
    std::string id = d.item_id(i);
    if (w.faults.take("mutate_before_download", {&r, d.id, id}) != nullptr && !it.has(flag_deleted)) {
        d.remove(i, w.now());
    }
    if (it.has(flag_deleted) || w.faults.take("item_not_found", {&r, d.id, id}) != nullptr) {
        return plain(404, "404 FILE NOT FOUND");
    }
    if (d.locked) {
        return plain(423, "423 Locked");
    }
    auto data = content_of(d, i, number("v"));
    if (!data) {
        return plain(404, "404 FILE NOT FOUND");
    }
    response out = answer_with(w, r, std::move(*data));
    if (!out.file) {
        return out;
    }
    if (w.file_etags) {
        out.set("ETag", "\"{" + d.item_guid(i) + "}," + std::to_string(it.ctag) + "\"");
    }
    out.set("Accept-Ranges", "bytes");
    out.set("Last-Modified", http_date(it.fs_modified));
    ++w.downloads[id];
    w.manners.count("bytes_downloaded", out.file_length);
    return out;
}

}  // namespace m365stage::sim
