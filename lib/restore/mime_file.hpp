#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/time.hpp"
#include "tree/stage_root.hpp"

namespace m365stage::restore {

/// Something of a message that is no body: it becomes an attachment.
struct mime_part {
    mime_part() = default;
    enum class what {
        file,
        message,     ///< a message inside the message
        invitation,  ///< text/calendar: a meeting that no program can put back as one
    } kind = what::file;
    std::string name;          ///< never empty
    std::string content_type;  ///< "image/png"
    std::string content_id;    ///< without angle brackets
    bool is_inline = false;    ///< shown in the body
    std::int64_t size = 0;     ///< bytes, decoded; of a message with parts: its MIME; of another one: 0
    std::string sha256;        ///< hex, of these bytes
    bool has_parts = false;    ///< a message with attachments of its own, or signed
};

struct mime_person {
    mime_person() = default;
    std::string name, address;
};

/// What the header and the text of a message say; UTF-8, without control characters.
struct mime_words {
    mime_words() = default;
    std::string subject, message_id, in_reply_to, references;
    std::vector<mime_person> from, sender, to, cc, bcc, reply_to;
    std::optional<core::unix_seconds> date;
    std::string body;
    bool html = false;
};

/// Reads the bytes of one part, decoded. Threads: one at a time.
class part_reader {
public:
    virtual ~part_reader() = default;
    /// 0 at the end.
    virtual core::result<std::size_t> read(std::span<std::byte> to) = 0;
};

/// A message of the tree, taken apart by GMime. Its parts stay on disk and are decoded while they are read,
/// so that a message of any size takes little memory: the text is kept up to `longest_body`, a longer one
/// becomes an attachment.
/// Threads: one at a time; opening and reading block.
class mime_file {
public:
    static constexpr std::size_t longest_body = 3u << 20;  ///< a request may have 4 MB (contract 8.2)
    static constexpr std::size_t longest_head = 64u << 10;

    /// Errors: disk, protocol (it is no message).
    static core::result<std::shared_ptr<mime_file>> open(
        const tree::stage_root& root, const std::string& path
    );
    virtual ~mime_file() = default;

    virtual const std::string& head() const = 0;  ///< the header as it is, at most `longest_head` bytes
    virtual const mime_words& words() const = 0;
    virtual const std::vector<mime_part>& parts() const = 0;
    virtual bool is_signed() const = 0;  ///< or encrypted: S/MIME or PGP

    virtual std::unique_ptr<part_reader> read_part(std::size_t number) = 0;
    /// What a part that is a message says.
    virtual core::result<mime_words> nested(std::size_t number) = 0;
};

/// Valid UTF-8 without control characters but line breaks and tabs. `charset`: what the text claims to be in.
std::string clean_text(std::string_view bytes, const std::string& charset);

}  // namespace m365stage::restore
