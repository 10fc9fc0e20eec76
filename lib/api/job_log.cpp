#include "api/job_log.hpp"

#include <utility>

namespace m365stage::api {
namespace {

constexpr std::string_view from_us = "m365stage: ";

/// Bytes that go on with a character: it is told as one '?', by its first byte.
bool goes_on(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

std::string as_ascii(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (!goes_on(c)) {
            out += byte >= 0x20 && byte < 0x7F ? c : '?';
        }
    }
    return out;
}

}  // namespace

std::string job_log_line(std::string_view text) {
    auto line = as_ascii(text);
    if (line.size() > longest_job_log_line) {
        line.resize(longest_job_log_line - 3);
        line += "...";
    }
    return line;
}

std::vector<std::string> job_log_lines(std::string_view begin, std::string_view text) {
    std::vector<std::string> out;
    const auto first = std::string(begin);
    const auto room = longest_job_log_line - first.size();
    auto rest = as_ascii(text);
    while (rest.size() > room) {
        const auto blank = rest.rfind(' ', room);
        const bool found = blank != std::string::npos && blank > 0;
        out.push_back(job_log_line(first + rest.substr(0, found ? blank : room)));
        rest.erase(0, found ? blank + 1 : room);
    }
    out.push_back(job_log_line(first + rest));
    return out;
}

std::vector<std::string> refusal_lines(std::string_view what, core::error e) {
    const auto begin = std::string(from_us) + std::string(what);
    const auto fits = [&] { return begin.size() + core::describe(e).size() <= longest_job_log_line; };
    std::string advice;
    if (!fits() && !e.cause.empty()) {
        e.operation.clear();
        e.object.clear();
        if (!fits()) {
            advice = std::exchange(e.hint, std::string());
        }
    }
    std::vector<std::string> out{job_log_line(begin + core::describe(e))};
    if (!advice.empty()) {
        for (auto& line : job_log_lines(from_us, advice)) {
            out.push_back(std::move(line));
        }
    }
    return out;
}

}  // namespace m365stage::api
