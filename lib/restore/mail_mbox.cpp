#include <unistd.h>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include <cerrno>

#include "restore/mail_restore.hpp"
#include "sources/fields.hpp"

namespace m365stage::restore {
namespace {

using nlohmann::json;

/// "From sender Thu Nov 26 08:00:00 2026": the line that begins a message.
std::string from_line(const object& o) {
    const auto item = json::parse(o.meta.item, nullptr, false);
    std::string sender;
    if (const auto* from = sources::member(item, "from")) {
        const auto* address = sources::member(*from, "emailAddress");
        sender = address == nullptr ? "" : sources::text(*address, "address");
    }
    for (char& c : sender) {
        c = static_cast<unsigned char>(c) <= ' ' ? '_' : c;
    }
    const auto when = core::parse_timestamp(sources::text(item, "receivedDateTime"));
    const auto seconds = static_cast<std::time_t>(when.value_or(0));
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    std::strftime(text.data(), text.size(), "%a %b %e %H:%M:%S %Y\n", &parts);
    return "From " + (sender.empty() ? "MAILER-DAEMON" : sender) + " " + text.data();
}

/// mboxrd: lines end in one line feed, and those that look like the beginning of a message get a '>' more.
class mbox_file final : public joined_file {
public:
    std::string ending() const override { return ".mbox"; }

    core::result<void> add(const source_tree& tree, const object& o, const take& write) override {
        auto fd = tree.root().open_file(o.path);
        if (!fd) {
            return fd.error();
        }
        if (auto begun = write(from_line(o)); !begun) {
            return begun;
        }
        std::string buffer(file_piece, '\0');
        line_.clear();
        for (;;) {
            const auto n = ::read(fd->get(), buffer.data(), buffer.size());
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n < 0) {
                return core::disk_error(errno).on(o.path);
            }
            if (n == 0) {
                break;
            }
            if (auto done = pass(std::string_view(buffer).substr(0, static_cast<std::size_t>(n)), write);
                !done) {
                return done;
            }
        }
        if (!line_.empty()) {
            line_ += '\n';
        }
        line_ += '\n';
        return flush(write);
    }

private:
    core::result<void> pass(std::string_view bytes, const take& write) {
        std::string out;
        out.reserve(bytes.size() + file_piece / 8);
        for (const char c : bytes) {
            if (c == '\n') {
                if (line_.ends_with('\r')) {
                    line_.pop_back();
                }
                const auto first = line_.find_first_not_of('>');
                if (first != std::string::npos &&
                    std::string_view(line_).substr(first).starts_with("From ")) {
                    out += '>';
                }
                out += line_;
                out += '\n';
                line_.clear();
            } else {
                line_ += c;
            }
            // A line without end is no line of a header: it is passed on as it comes.
            if (line_.size() > file_piece) {
                out += line_;
                line_.clear();
            }
        }
        return write(out);
    }

    core::result<void> flush(const take& write) {
        auto done = write(line_);
        line_.clear();
        return done;
    }

    std::string line_;  ///< that has begun
};

}  // namespace

std::unique_ptr<joined_file> make_mbox() {
    return std::make_unique<mbox_file>();
}

}  // namespace m365stage::restore
