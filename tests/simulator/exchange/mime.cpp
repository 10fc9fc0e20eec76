#include "mime.hpp"

#include <algorithm>
#include <cstring>

#include "../text.hpp"

namespace m365stage::sim {

namespace {

constexpr std::uint64_t raw_line = 57;
constexpr std::uint64_t coded_line = 78;  // 76 characters and CRLF

std::uint64_t coded_size(std::uint64_t raw) {
    std::uint64_t rest = raw % raw_line;
    return raw / raw_line * coded_line + (rest == 0 ? 0 : (rest + 2) / 3 * 4 + 2);
}

/// Bytes [offset, offset + size) of the encoded form.
void read_coded(content_reader& from, std::uint64_t offset, char* out, std::size_t size) {
    std::string raw;
    std::string coded;
    while (size > 0) {
        std::uint64_t line = offset / coded_line;
        std::uint64_t lines = std::min<std::uint64_t>((size + coded_line - 1) / coded_line + 1, 1024);
        raw.resize(lines * raw_line);
        raw.resize(from.read(line * raw_line, raw.data(), raw.size()));
        coded = base64_lines(raw);
        std::uint64_t skip = offset - line * coded_line;
        if (coded.size() <= skip) {
            std::memset(out, ' ', size);  // the file behind it has shrunk
            return;
        }
        std::size_t n = std::min<std::size_t>(size, coded.size() - skip);
        coded.copy(out, n, skip);
        out += n;
        offset += n;
        size -= n;
    }
}

bool plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

void mime_source::add(std::string text) {
    section s;
    s.start = static_cast<std::uint64_t>(size_);
    s.length = text.size();
    s.text = std::move(text);
    size_ += static_cast<std::int64_t>(s.length);
    sections_.push_back(std::move(s));
}

void mime_source::add_base64(content c) {
    section s;
    s.start = static_cast<std::uint64_t>(size_);
    s.length = coded_size(static_cast<std::uint64_t>(c.size));
    s.encoded = std::make_shared<content_reader>(std::move(c));
    size_ += static_cast<std::int64_t>(s.length);
    sections_.push_back(std::move(s));
}

std::size_t mime_source::read(std::uint64_t offset, char* out, std::size_t size) {
    std::size_t done = 0;
    for (const auto& s : sections_) {
        if (done == size || offset >= s.start + s.length) {
            continue;
        }
        std::uint64_t at = offset - s.start;
        auto n = static_cast<std::size_t>(std::min<std::uint64_t>(size - done, s.length - at));
        if (s.encoded) {
            read_coded(*s.encoded, at, out + done, n);
        } else {
            std::memcpy(out + done, s.text.data() + at, n);
        }
        done += n;
        offset += n;
    }
    return done;
}

std::string base64_lines(std::string_view bytes) {
    std::string out;
    out.reserve(coded_size(bytes.size()));
    for (std::size_t i = 0; i < bytes.size(); i += raw_line) {
        out += base64(bytes.substr(i, raw_line));
        out += "\r\n";
    }
    return out;
}

std::string encoded_words(std::string_view text) {
    if (plain(text) && text.size() < 900) {
        return std::string(text);
    }
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t n = std::min<std::size_t>(42, text.size() - i);
        // A character is not cut in two.
        while (i + n < text.size() && (static_cast<unsigned char>(text[i + n]) & 0xc0) == 0x80) {
            --n;
        }
        out += (out.empty() ? "=?utf-8?B?" : "\r\n =?utf-8?B?") + base64(text.substr(i, n)) + "?=";
        i += n;
    }
    return out;
}

std::string header_parameter(std::string_view name, std::string_view value) {
    std::string out = ";\r\n\t" + std::string(name);
    if (!plain(value)) {
        return out + "*=utf-8''" + url_encode(value);
    }
    out += "=\"";
    for (char c : value) {
        out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    return out + '"';
}

std::string quoted_printable(std::string_view text) {
    static const char* digits = "0123456789ABCDEF";
    std::string out;
    std::size_t column = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto c = static_cast<unsigned char>(text[i]);
        if (c == '\n') {
            out += "\r\n";
            column = 0;
            continue;
        }
        bool last_blank = c == ' ' && (i + 1 == text.size() || text[i + 1] == '\n');
        bool literal = (c == ' ' && !last_blank) || (c > 0x20 && c < 0x7f && c != '=');
        if (column + (literal ? 1 : 3) > 75) {
            out += "=\r\n";
            column = 0;
        }
        if (literal) {
            out += static_cast<char>(c);
            ++column;
        } else {
            out += {'=', digits[c >> 4], digits[c & 15]};
            column += 3;
        }
    }
    return out;
}

std::string mail_date(std::int64_t unix_seconds) {
    std::string http = http_date(unix_seconds);  // ends in GMT
    return http.substr(0, http.size() - 3) + "+0000";
}

}  // namespace m365stage::sim
