#include "core/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/uio.h>
// Who logged is told by the text; the line of this file would tell nothing.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <array>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/log_bound.hpp"
#include "core/time.hpp"

namespace m365stage::core {
namespace {

using steady = std::chrono::steady_clock;

constexpr std::size_t levels = 4;

struct sink {
    std::shared_ptr<spdlog::logger> logger =
        std::make_shared<spdlog::logger>("m365stage", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    log_format format = log_format::text;
    std::array<log_bound, levels> volume;
    std::uint64_t left_out = 0;
    std::mutex lock;
};

sink& instance() {
    static sink s;
    return s;
}

spdlog::level::level_enum spd(log_level level) {
    constexpr std::array theirs{
        spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err
    };
    return theirs[static_cast<std::size_t>(level)];
}

std::string cleaned(std::string_view line) {
    constexpr std::size_t longest = 2000;
    std::string out(line.substr(0, longest));
    for (char& c : out) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            c = ' ';
        }
    }
    return out;
}

/// The parts of an error under the names they have in JSON, and in capitals in the journal.
using field_list = std::vector<std::pair<std::string_view, std::string>>;

field_list fields_of(const error& e) {
    field_list out;
    auto add = [&out](std::string_view name, std::string_view value) {
        if (!value.empty()) {
            out.emplace_back(name, cleaned(value));
        }
    };
    add("kind", to_string(e.kind));
    add("operation", e.operation);
    add("object", e.object);
    add("code", e.code);
    add("request_id", e.request_id);
    return out;
}

/// Straight to the journal, with fields; false if there is none.
bool write_to_journal(log_level level, const std::string& line, const field_list& fields) {
    constexpr std::array priority{7, 6, 4, 3};
    std::vector<std::string> texts{
        "MESSAGE=" + line, "PRIORITY=" + std::to_string(priority[static_cast<std::size_t>(level)])
    };
    for (const auto& [name, value] : fields) {
        std::string text = "M365STAGE_";
        for (const char c : name) {
            text += c == '_' ? c : static_cast<char>(c - 'a' + 'A');
        }
        texts.push_back(text + "=" + value);
    }
    std::vector<iovec> pieces;
    pieces.reserve(texts.size());
    for (auto& text : texts) {
        pieces.push_back({text.data(), text.size()});
    }
    return ::sd_journal_sendv(pieces.data(), static_cast<int>(pieces.size())) == 0;
}

void write(sink& s, log_level level, const std::string& line, const field_list& fields = {}) {
    if (s.format == log_format::json) {
        constexpr std::array names{"debug", "info", "warning", "error"};
        nlohmann::json object{
            {"time", format_timestamp(now_seconds())},
            {"level", names[static_cast<std::size_t>(level)]},
            {"message", line}
        };
        for (const auto& [name, value] : fields) {
            object[std::string(name)] = value;
        }
        s.logger->log(spd(level), object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } else if (s.format != log_format::journal) {
        s.logger->log(spd(level), line);
    } else if (!write_to_journal(level, line, fields)) {
        constexpr std::array priority{"<7>", "<6>", "<4>", "<3>"};
        s.logger->log(spd(level), priority[static_cast<std::size_t>(level)] + line);
    }
}

void log_bounded(log_level level, std::string_view line, const field_list& fields) {
    auto& s = instance();
    const std::lock_guard guard(s.lock);
    if (s.volume[static_cast<std::size_t>(level)].admit(steady::now())) {
        write(s, level, cleaned(line), fields);
    } else {
        ++s.left_out;
    }
}

/// `count(bound)` is how many lines of a level to tell of.
template <class Count>
void tell_left_out(Count count) {
    auto& s = instance();
    const std::lock_guard guard(s.lock);
    for (std::size_t i = 0; i < levels; ++i) {
        if (const auto n = count(s.volume[i]); n > 0) {
            const auto text = std::to_string(n) + " more lines like the ones before were left out";
            write(s, static_cast<log_level>(i), text);
        }
    }
}

bool is_wanted(log_level level) {
    return instance().logger->should_log(spd(level));
}

}  // namespace

void configure_log(log_level lowest, log_format format) {
    auto& s = instance();
    const std::lock_guard guard(s.lock);
    s.format = format;
    s.logger->set_level(spd(lowest));
    s.logger->set_pattern(format == log_format::text ? "%H:%M:%S %l: %v" : "%v");
    s.logger->flush_on(spdlog::level::info);
}

void log_what_was_left_out() {
    tell_left_out([now = steady::now()](log_bound& b) { return b.take_report(now); });
}

void log_last_of_what_was_left_out() {
    tell_left_out([](log_bound& b) { return b.take_last_report(); });
}

std::uint64_t log_lines_left_out() {
    auto& s = instance();
    const std::lock_guard guard(s.lock);
    return s.left_out;
}

void log(log_level level, std::string_view line) {
    if (is_wanted(level)) {
        log_bounded(level, line, {});
    }
}

void log_error(log_level level, const error& e, std::string_view more) {
    if (is_wanted(level)) {
        auto line = describe(e);
        if (!more.empty()) {
            line.append("; ").append(more);
        }
        log_bounded(level, line, fields_of(e));
    }
}

}  // namespace m365stage::core
