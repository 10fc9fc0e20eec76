#include "restore/mime_file.hpp"

#include <fcntl.h>
#include <gmime/gmime.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <optional>

#include "core/hash.hpp"

namespace m365stage::restore {
namespace {

constexpr std::size_t mime_piece = 64u << 10;
// Multiparts and messages within each other; what is nested deeper is hostile.
constexpr int deepest = 32;

/// A reference to a GLib object that gives itself back.
template <class T>
class held {
public:
    held() = default;
    explicit held(T* object) : object_(object) {}
    held(held&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    held& operator=(held&& other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~held() {
        if (object_ != nullptr) {
            g_object_unref(object_);
        }
    }
    T* get() const { return object_; }

private:
    T* object_ = nullptr;
};

void start_gmime() {
    static std::once_flag once;
    std::call_once(once, [] { g_mime_init(); });
}

std::string text_of(const char* text) {
    return text == nullptr ? std::string() : clean_text(text, "utf-8");
}

std::string own(char* text) {
    std::string out = text_of(text);
    g_free(text);
    return out;
}

std::string bare_id(const char* id) {
    std::string out = text_of(id);
    if (out.size() > 2 && out.front() == '<' && out.back() == '>') {
        out = out.substr(1, out.size() - 2);
    }
    return out;
}

std::vector<mime_person> people_in(InternetAddressList* list) {
    std::vector<mime_person> out;
    for (int i = 0; list != nullptr && i < internet_address_list_length(list); ++i) {
        auto* one = internet_address_list_get_address(list, i);
        mime_person p;
        p.name = text_of(internet_address_get_name(one));
        if (INTERNET_ADDRESS_IS_MAILBOX(one)) {
            p.address = text_of(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(one)));
            out.push_back(std::move(p));
        } else if (INTERNET_ADDRESS_IS_GROUP(one)) {
            auto members = people_in(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(one)));
            std::move(members.begin(), members.end(), std::back_inserter(out));
        }
    }
    return out;
}

mime_words header_words(GMimeMessage* m) {
    mime_words w;
    auto* object = GMIME_OBJECT(m);
    w.subject = text_of(g_mime_message_get_subject(m));
    if (const auto* id = g_mime_message_get_message_id(m)) {
        w.message_id = "<" + bare_id(id) + ">";
    }
    w.in_reply_to = text_of(g_mime_object_get_header(object, "In-Reply-To"));
    w.references = text_of(g_mime_object_get_header(object, "References"));
    w.from = people_in(g_mime_message_get_from(m));
    w.sender = people_in(g_mime_message_get_sender(m));
    w.to = people_in(g_mime_message_get_to(m));
    w.cc = people_in(g_mime_message_get_cc(m));
    w.bcc = people_in(g_mime_message_get_bcc(m));
    w.reply_to = people_in(g_mime_message_get_reply_to(m));
    if (auto* when = g_mime_message_get_date(m)) {
        w.date = g_date_time_to_unix(when);
    }
    return w;
}

/// The decoded bytes of a part, or the MIME of a message inside.
class stream_reader final : public part_reader {
public:
    explicit stream_reader(GMimePart* part) {
        auto* content = g_mime_part_get_content(part);
        if (content == nullptr) {
            return;
        }
        auto* raw = g_mime_data_wrapper_get_stream(content);
        g_mime_stream_reset(raw);
        stream_ = held<GMimeStream>(g_mime_stream_filter_new(raw));
        const held<GMimeFilter> decode(
            g_mime_filter_basic_new(g_mime_data_wrapper_get_encoding(content), FALSE)
        );
        g_mime_stream_filter_add(GMIME_STREAM_FILTER(stream_.get()), decode.get());
    }

    core::result<std::size_t> read(std::span<std::byte> to) override {
        if (stream_.get() == nullptr) {
            return std::size_t{0};
        }
        const auto n = g_mime_stream_read(stream_.get(), reinterpret_cast<char*>(to.data()), to.size());
        if (n < 0) {
            return core::error(core::error_kind::disk, "a part of the message can't be read");
        }
        return static_cast<std::size_t>(n);
    }

private:
    held<GMimeStream> stream_;
};

/// A message inside, written out to a file without a name.
class message_reader final : public part_reader {
public:
    explicit message_reader(GMimeMessage* m) {
        std::FILE* file = m == nullptr ? nullptr : std::tmpfile();
        if (file == nullptr) {
            return;
        }
        stream_ = held<GMimeStream>(g_mime_stream_file_new(file));  // owns the file
        good_ = g_mime_object_write_to_stream(GMIME_OBJECT(m), nullptr, stream_.get()) >= 0 &&
                g_mime_stream_reset(stream_.get()) == 0;
    }

    core::result<std::size_t> read(std::span<std::byte> to) override {
        const auto n =
            good_ ? g_mime_stream_read(stream_.get(), reinterpret_cast<char*>(to.data()), to.size()) : -1;
        if (n < 0) {
            return core::error(
                core::error_kind::disk,
                "the message inside can't be written to the folder for temporary files"
            );
        }
        return static_cast<std::size_t>(n);
    }

private:
    held<GMimeStream> stream_;
    bool good_ = false;
};

/// Something that the walk over a message has found.
struct found_part {
    mime_part facts;
    GMimeObject* object = nullptr;  ///< lives as long as the message
};

/// Sorts what is in a message into its text and its attachments.
class sorter {
public:
    void take(GMimeObject* o, bool alternative, int depth) {
        if (depth > deepest || o == nullptr) {
            return;
        }
        if (GMIME_IS_MULTIPART(o)) {
            take_multipart(GMIME_MULTIPART(o), alternative, depth);
        } else if (GMIME_IS_MESSAGE_PART(o)) {
            found_part p;
            p.facts.kind = mime_part::what::message;
            p.facts.content_type = "message/rfc822";
            auto* inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(o));
            p.facts.name = inner == nullptr ? "" : text_of(g_mime_message_get_subject(inner));
            p.facts.name = p.facts.name.empty() ? "Message" : p.facts.name;
            p.object = o;
            if (inner != nullptr) {
                sorter within;
                within.take(g_mime_message_get_mime_part(inner), false, depth + 1);
                p.facts.has_parts = !within.parts.empty() || within.is_signed;
            }
            parts.push_back(std::move(p));
        } else if (GMIME_IS_PART(o)) {
            take_part(GMIME_PART(o), alternative);
        }
    }

    GMimePart* html = nullptr;
    GMimePart* plain = nullptr;
    std::vector<found_part> parts;
    bool is_signed = false;

private:
    /// `inherited`: it stands for the whole text as one of several (the HTML with its pictures, beside the
    /// plain text). So does the first text in it; the others are files.
    void take_multipart(GMimeMultipart* m, bool inherited, int depth) {
        auto* type = g_mime_object_get_content_type(GMIME_OBJECT(m));
        const bool alternative = g_mime_content_type_is_type(type, "multipart", "alternative");
        is_signed = is_signed || g_mime_content_type_is_type(type, "multipart", "signed") ||
                    g_mime_content_type_is_type(type, "multipart", "encrypted");
        const int before = texts();
        for (int i = 0; i < g_mime_multipart_get_count(m); ++i) {
            const bool first = inherited && texts() == before;
            take(g_mime_multipart_get_part(m, i), alternative || first, depth + 1);
        }
    }

    int texts() const { return (html != nullptr ? 1 : 0) + (plain != nullptr ? 1 : 0); }

    void take_part(GMimePart* p, bool alternative) {
        auto* object = GMIME_OBJECT(p);
        auto* type = g_mime_object_get_content_type(object);
        const char* disposition = g_mime_object_get_disposition(object);
        const bool attached = disposition != nullptr && g_ascii_strcasecmp(disposition, "attachment") == 0;
        const char* name = g_mime_part_get_filename(p);
        const bool text = type == nullptr || g_mime_content_type_is_type(type, "text", "*");
        const bool is_html = text && type != nullptr && g_mime_content_type_is_type(type, "text", "html");
        const bool is_plain = text && (type == nullptr || g_mime_content_type_is_type(type, "text", "plain"));
        if (!attached && name == nullptr && (is_html || is_plain)) {
            auto*& slot = is_html ? html : plain;
            if (slot == nullptr && (alternative || (html == nullptr && plain == nullptr))) {
                slot = p;
                return;
            }
        }
        add(p, type, disposition, name);
    }

    void add(GMimePart* p, GMimeContentType* type, const char* disposition, const char* name) {
        found_part out;
        out.object = GMIME_OBJECT(p);
        out.facts.content_type = "application/octet-stream";
        if (type != nullptr) {
            out.facts.content_type = own(g_mime_content_type_get_mime_type(type));
        }
        const auto& kind = out.facts.content_type;
        is_signed = is_signed || kind == "application/pkcs7-mime" || kind == "application/x-pkcs7-mime";
        out.facts.content_id = bare_id(g_mime_part_get_content_id(p));
        out.facts.is_inline = !out.facts.content_id.empty() &&
                              (disposition == nullptr || g_ascii_strcasecmp(disposition, "inline") == 0);
        out.facts.name = text_of(name);
        if (kind == "text/calendar" && name == nullptr) {
            out.facts.kind = mime_part::what::invitation;
            out.facts.name = "invite.ics";
        }
        if (out.facts.name.empty()) {
            const auto number = std::to_string(parts.size() + 1);
            const char* ending = kind == "text/plain" ? ".txt" : kind == "text/html" ? ".htm" : ".bin";
            out.facts.name =
                "ATT" + std::string(5 - std::min<std::size_t>(5, number.size()), '0') + number + ending;
        }
        parts.push_back(std::move(out));
    }
};

std::string charset_of(GMimePart* p) {
    auto* type = g_mime_object_get_content_type(GMIME_OBJECT(p));
    const char* name = type == nullptr ? nullptr : g_mime_content_type_get_parameter(type, "charset");
    return name == nullptr ? std::string() : std::string(name);
}

/// The text of a part; nullopt: it is too long to be one.
core::result<std::optional<std::string>> body_text(GMimePart* p) {
    stream_reader in(p);
    std::string bytes;
    std::vector<std::byte> buffer(mime_piece);
    for (;;) {
        auto n = in.read(buffer);
        if (!n) {
            return n.error();
        }
        if (*n == 0) {
            break;
        }
        bytes.append(reinterpret_cast<const char*>(buffer.data()), *n);
        if (bytes.size() > mime_file::longest_body) {
            return std::optional<std::string>();
        }
    }
    // The last line break belongs to the boundary that follows.
    if (bytes.ends_with("\r\n")) {
        bytes.resize(bytes.size() - 2);
    } else if (bytes.ends_with("\n")) {
        bytes.resize(bytes.size() - 1);
    }
    return std::optional(clean_text(bytes, charset_of(p)));
}

/// Fills in the body. A text that is too long stays a part.
core::result<void> choose_body(sorter& s, mime_words& w) {
    for (auto* p : {s.html, s.plain}) {
        if (p == nullptr) {
            continue;
        }
        auto text = body_text(p);
        if (!text) {
            return text.error();
        }
        if (*text) {
            w.body = std::move(**text);
            w.html = p == s.html;
            return core::result<void>();
        }
        found_part out;
        out.object = GMIME_OBJECT(p);
        out.facts.name = p == s.html ? "message.htm" : "message.txt";
        out.facts.content_type = p == s.html ? "text/html" : "text/plain";
        s.parts.push_back(std::move(out));
    }
    return core::result<void>();
}

class gmime_file final : public mime_file {
public:
    core::result<void> load(const tree::stage_root& root, const std::string& path) {
        auto fd = root.open_file(path);
        if (!fd) {
            return fd.error();
        }
        fd_ = std::move(*fd);
        if (auto read = read_head(); !read) {
            return read;
        }
        stream_ = held<GMimeStream>(g_mime_stream_fs_new(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0)));
        parser_ = held<GMimeParser>(g_mime_parser_new_with_stream(stream_.get()));
        g_mime_parser_set_persist_stream(parser_.get(), TRUE);
        message_ = held<GMimeMessage>(g_mime_parser_construct_message(parser_.get(), nullptr));
        if (message_.get() == nullptr) {
            return core::error(core::error_kind::protocol, "it is no mail message");
        }
        words_ = header_words(message_.get());
        sorter s;
        s.take(g_mime_message_get_mime_part(message_.get()), false, 0);
        if (auto chosen = choose_body(s, words_); !chosen) {
            return chosen;
        }
        signed_ = s.is_signed;
        for (auto& p : s.parts) {
            facts_.push_back(std::move(p.facts));
            objects_.push_back(p.object);
        }
        return measure();
    }

    const std::string& head() const override { return head_; }
    const mime_words& words() const override { return words_; }
    const std::vector<mime_part>& parts() const override { return facts_; }
    bool is_signed() const override { return signed_; }

    std::unique_ptr<part_reader> read_part(std::size_t number) override {
        auto* o = objects_[number];
        if (GMIME_IS_PART(o)) {
            return std::make_unique<stream_reader>(GMIME_PART(o));
        }
        return std::make_unique<message_reader>(g_mime_message_part_get_message(GMIME_MESSAGE_PART(o)));
    }

    core::result<mime_words> nested(std::size_t number) override {
        auto* inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(objects_[number]));
        if (inner == nullptr) {
            return core::error(core::error_kind::protocol, "the message inside is empty");
        }
        auto w = header_words(inner);
        sorter s;
        s.take(g_mime_message_get_mime_part(inner), false, 0);
        if (auto chosen = choose_body(s, w); !chosen) {
            return chosen.error();
        }
        return w;
    }

private:
    core::result<void> read_head() {
        head_.resize(longest_head);
        const auto n = ::pread(fd_.get(), head_.data(), head_.size(), 0);
        if (n < 0) {
            return core::error(core::error_kind::disk, "the message can't be read");
        }
        head_.resize(static_cast<std::size_t>(n));
        auto end = std::min(head_.find("\r\n\r\n"), head_.find("\n\n"));
        if (end == std::string::npos && head_.size() == longest_head) {
            end = head_.rfind('\n');  // a part of the header; whole lines of it
        }
        head_ = clean_text(std::string_view(head_).substr(0, end), "utf-8");
        return core::result<void>();
    }

    /// Sizes and hashes of the parts, each decoded once. A message without parts of its own is never sent as
    /// bytes.
    core::result<void> measure() {
        std::vector<std::byte> buffer(mime_piece);
        for (std::size_t i = 0; i < facts_.size(); ++i) {
            if (facts_[i].kind == mime_part::what::message && !facts_[i].has_parts) {
                continue;
            }
            core::sha256 sha;
            auto in = read_part(i);
            for (;;) {
                auto n = in->read(buffer);
                if (!n) {
                    return n.error();
                }
                if (*n == 0) {
                    break;
                }
                sha.update(std::span<const std::byte>(buffer.data(), *n));
                facts_[i].size += static_cast<std::int64_t>(*n);
            }
            facts_[i].sha256 = core::to_hex(sha.finish());
        }
        return core::result<void>();
    }

    tree::unique_fd fd_;
    held<GMimeStream> stream_;
    held<GMimeParser> parser_;
    held<GMimeMessage> message_;
    std::string head_;
    mime_words words_;
    std::vector<mime_part> facts_;
    std::vector<GMimeObject*> objects_;
    bool signed_ = false;
};

bool is_utf8(std::string_view bytes) {
    return g_utf8_validate(bytes.data(), static_cast<gssize>(bytes.size()), nullptr) == TRUE;
}

/// `bytes` of that character set; empty: they are not of it.
std::string converted(std::string_view bytes, const char* charset) {
    gsize written = 0;
    char* out = g_convert_with_fallback(
        bytes.data(), static_cast<gssize>(bytes.size()), "UTF-8", charset, "?", nullptr, &written, nullptr
    );
    std::string text = out == nullptr ? std::string() : std::string(out, written);
    g_free(out);
    return text;
}

bool is_plain_charset(const std::string& name) {
    for (const char* plain : {"", "utf-8", "utf8", "us-ascii"}) {
        if (g_ascii_strcasecmp(name.c_str(), plain) == 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::string clean_text(std::string_view bytes, const std::string& charset) {
    std::string text;
    if (!is_plain_charset(charset)) {
        text = converted(bytes, charset.c_str());
    }
    if (text.empty() && !is_utf8(bytes)) {
        text = converted(bytes, "WINDOWS-1252");
    }
    if (text.empty()) {
        text = std::string(bytes);
    }
    std::erase_if(text, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
    });
    return text;
}

core::result<std::shared_ptr<mime_file>> mime_file::open(
    const tree::stage_root& root, const std::string& path
) {
    start_gmime();
    auto out = std::make_shared<gmime_file>();
    if (auto loaded = out->load(root, path); !loaded) {
        return loaded.error();
    }
    return std::shared_ptr<mime_file>(std::move(out));
}

}  // namespace m365stage::restore
