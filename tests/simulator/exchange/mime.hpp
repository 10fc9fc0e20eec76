#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../content.hpp"

/// MIME text that is put together while it is read, so that a message of any size takes no memory.
namespace m365stage::sim {

class mime_source : public byte_source {
public:
    void add(std::string text);
    /// The content as base64 in lines of 76 characters.
    void add_base64(content c);

    std::int64_t size() const override { return size_; }
    std::size_t read(std::uint64_t offset, char* out, std::size_t size) override;

private:
    struct section {
        std::uint64_t start = 0;
        std::uint64_t length = 0;
        std::string text;
        std::shared_ptr<content_reader> encoded;  ///< null: `text`
    };
    std::vector<section> sections_;
    std::int64_t size_ = 0;
};

/// A header's value: as it is, or in encoded words when it is not plain ASCII. Folded.
std::string encoded_words(std::string_view text);
/// `; name="value"`, or in RFC 2231's form.
std::string header_parameter(std::string_view name, std::string_view value);
std::string quoted_printable(std::string_view text);
/// A date as mail has it: Thu, 01 Oct 2026 08:01:02 +0000
std::string mail_date(std::int64_t unix_seconds);
/// Base64 in lines of 76 characters, each with CRLF.
std::string base64_lines(std::string_view bytes);

}  // namespace m365stage::sim
