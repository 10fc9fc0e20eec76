#include <unistd.h>

#include <cerrno>
#include <map>

#include "restore/calendar_restore.hpp"

namespace m365stage::restore {
namespace {

constexpr std::string_view zone_begin = "BEGIN:VTIMEZONE\r\n";
constexpr std::string_view zone_end = "END:VTIMEZONE\r\n";
constexpr std::string_view event_begin = "BEGIN:VEVENT\r\n";
constexpr std::string_view tail = "END:VCALENDAR\r\n";

/// The text behind `name` on its line.
std::string line_of(std::string_view block, std::string_view name) {
    const auto at = block.find(name);
    if (at == std::string_view::npos) {
        return {};
    }
    const auto from = at + name.size();
    return std::string(block.substr(from, block.find("\r\n", from) - from));
}

/// All events of a calendar in one iCalendar object. Zones follow at its end, each once and with its earliest
/// rules: which they are is known only when every event was seen.
class calendar_file final : public joined_file {
public:
    std::string ending() const override { return ".ics"; }

    core::result<void> begin(const take& write) override {
        return write("BEGIN:VCALENDAR\r\nPRODID:-//m365stage//m365stage//EN\r\nVERSION:2.0\r\n");
    }

    core::result<void> add(const source_tree& tree, const object& o, const take& write) override {
        auto fd = tree.root().open_file(o.path);
        if (!fd) {
            return fd.error();
        }
        std::string text;
        bool head = true;
        for (bool more = true; more;) {
            auto got = read(fd->get(), text);
            if (!got) {
                return std::move(got.error()).on(o.path);
            }
            more = *got > 0;
            if (head && !take_zones(text)) {
                continue;
            }
            head = false;
            // The end of the file is held back: it may be the line that the whole ends with.
            const auto keep = std::min(text.size(), tail.size());
            if (auto put = write(std::string_view(text).substr(0, text.size() - keep)); !put) {
                return put;
            }
            text.erase(0, text.size() - keep);
        }
        return text == tail ? core::result<void>() : write(text);
    }

    core::result<void> end(const take& write) override {
        for (const auto& [name, zone] : zones_) {
            if (auto put = write(zone); !put) {
                return put;
            }
        }
        return write(tail);
    }

private:
    core::result<std::size_t> read(int fd, std::string& text) const {
        const auto known = text.size();
        text.resize(known + file_piece);
        for (;;) {
            const auto n = ::read(fd, text.data() + known, file_piece);
            if (n < 0 && errno == EINTR) {
                continue;
            }
            text.resize(known + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
            if (n < 0) {
                return core::disk_error(errno);
            }
            return static_cast<std::size_t>(n);
        }
    }

    /// Takes what stands in front of the first event off `text`; false if that is not there yet.
    bool take_zones(std::string& text) {
        const auto first = text.find(event_begin);
        if (first == std::string::npos) {
            return false;
        }
        const auto head = std::string_view(text).substr(0, first);
        for (auto at = head.find(zone_begin); at != std::string_view::npos;
             at = head.find(zone_begin, at + 1)) {
            const auto end = head.find(zone_end, at);
            if (end == std::string_view::npos) {
                break;
            }
            std::string zone(head.substr(at, end + zone_end.size() - at));
            auto& known = zones_[line_of(zone, "TZID:")];
            if (known.empty() || line_of(zone, "DTSTART:") < line_of(known, "DTSTART:")) {
                known = std::move(zone);
            }
        }
        text.erase(0, first);
        return true;
    }

    std::map<std::string, std::string> zones_;
};

}  // namespace

std::unique_ptr<joined_file> join_calendar() {
    return std::make_unique<calendar_file>();
}

}  // namespace m365stage::restore
