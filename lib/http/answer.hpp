#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.hpp"

namespace m365stage::http {

constexpr std::size_t max_header_bytes = 64u << 10;
constexpr int max_interim_answers = 32;

/// What of an answer's body is bounded.
struct answer_limits {
    answer_limits() = default;
    bool head_only = false;  ///< the answer to HEAD or CONNECT: no body follows, whatever the fields say
    bool unbounded_success = false;  ///< a download: the body of 200 and 206 has no limit
    std::uint64_t max_body_bytes = 0;
};

/// Parses one HTTP/1.1 answer from bytes as they come; does no I/O. 1xx answers are skipped.
class answer_parser {
public:
    explicit answer_parser(const answer_limits& limits);
    ~answer_parser();
    answer_parser(const answer_parser&) = delete;
    answer_parser& operator=(const answer_parser&) = delete;

    /// For a download: the body of 200 and 206 has no limit. Before the first byte.
    void set_unbounded_success(bool on);

    /// Takes bytes and says how many it used. The rest (part of a header or chunk header) must be given
    /// again, with more behind it. Stops after the end of the answer. Errors: protocol, too_large (no object
    /// or operation set).
    core::result<std::size_t> feed(std::string_view bytes);

    /// The peer has closed. Errors: transport if the answer is not whole.
    core::result<void> finish();

    bool has_header() const;  ///< of the final answer
    bool is_done() const;
    bool can_reuse() const;  ///< after the end: may the connection carry another request?
    response& head();        ///< status and fields; valid once has_header()
    std::string& body();     ///< decoded from chunks so far; the caller may take it out at any time
    std::optional<std::uint64_t> content_length() const;
    std::uint64_t body_bytes() const;  ///< taken in so far

    /// What is still to come of a body of known length that is sent as it is, not in chunks; 0 otherwise. As
    /// much of it may be read past the parser, which is told by `pass`.
    std::uint64_t plain_rest() const;
    void pass(std::size_t bytes);

private:
    class impl;
    std::unique_ptr<impl> impl_;
    answer_limits limits_;
    int interim_answers_ = 0;
};

}  // namespace m365stage::http
