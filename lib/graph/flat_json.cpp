#include "graph/flat_json.hpp"

#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "graph/json_text.hpp"

namespace m365stage::graph {
namespace {

/// Bytes that stand for themselves within a string. NUL is none of them, so that the end of the text ends
/// every run.
constexpr auto plain_bytes = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0x20; c < 0x80; ++c) {
        out[c] = c != '"' && c != '\\';
    }
    return out;
}();

bool is_plain(char c) {
    return plain_bytes[static_cast<unsigned char>(c)];
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

}  // namespace

/// Reads a text from front to end. The text ends with a NUL, which no rule takes, so nothing looks beyond it.
class flat_parser {
public:
    explicit flat_parser(flat_json& to) : to_(to), text_(to.text_), at_(to.text_.c_str()) {}

    bool run() {
        constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        if (text_.starts_with(byte_order_mark)) {
            at_ += byte_order_mark.size();
        }
        return value(0) && position() == text_.size();
    }

private:
    using kind = flat_json::kind;

    std::uint32_t position() const { return static_cast<std::uint32_t>(at_ - text_.data()); }

    void skip_blanks() {
        while (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t') {
            ++at_;
        }
    }

    bool take(char c) {
        if (*at_ != c) {
            return false;
        }
        ++at_;
        return true;
    }

    std::size_t begin_node(kind what) {
        to_.nodes_.emplace_back();
        to_.nodes_.back().what = what;
        to_.nodes_.back().at = position();
        return to_.nodes_.size() - 1;
    }

    void end_node(std::size_t index) {
        to_.nodes_[index].after = static_cast<std::uint32_t>(to_.nodes_.size());
    }

    /// A value with the blanks around it.
    bool value(int depth) {
        skip_blanks();
        bool good = false;
        switch (*at_) {
            case '{':
                good = container(kind::object, '}', depth);
                break;
            case '[':
                good = container(kind::array, ']', depth);
                break;
            case '"':
                good = string();
                break;
            case 't':
                good = word("true", kind::truth);
                break;
            case 'f':
                good = word("false", kind::untruth);
                break;
            case 'n':
                good = word("null", kind::null);
                break;
            default:
                good = number();
        }
        skip_blanks();
        return good;
    }

    bool word(std::string_view text, kind what) {
        if (!text_.substr(position()).starts_with(text)) {
            return false;
        }
        const auto index = begin_node(what);
        at_ += text.size();
        end_node(index);
        return true;
    }

    /// An array, or an object: that has a name before each value.
    bool container(kind what, char end, int depth) {
        if (depth == deepest_json) {
            return false;
        }
        const auto index = begin_node(what);
        ++at_;
        skip_blanks();
        if (!take(end)) {
            do {
                if ((what == kind::object && !name()) || !value(depth + 1)) {
                    return false;
                }
            } while (take(','));
            if (!take(end)) {
                return false;
            }
        }
        end_node(index);
        return true;
    }

    bool name() {
        skip_blanks();
        if (*at_ != '"' || !string()) {
            return false;
        }
        skip_blanks();
        return take(':');
    }

    /// Digits, at least one.
    bool digits() {
        const bool any = is_digit(*at_);
        while (is_digit(*at_)) {
            ++at_;
        }
        return any;
    }

    bool number() {
        const auto index = begin_node(kind::integer);
        const char* const begin = at_;
        take('-');
        if (!take('0') && !digits()) {
            return false;
        }
        if (take('.')) {
            to_.nodes_[index].what = kind::real;
            if (!digits()) {
                return false;
            }
        }
        if (take('e') || take('E')) {
            to_.nodes_[index].what = kind::real;
            if (!take('+')) {
                take('-');
            }
            if (!digits()) {
                return false;
            }
        }
        auto& node = to_.nodes_[index];
        node.size = static_cast<std::uint32_t>(at_ - begin);
        end_node(index);
        return is_in_range(node);
    }

    /// What a double can't hold is refused, as everywhere else.
    bool is_in_range(const flat_json::node& n) const {
        constexpr std::uint32_t surely_fits = 300;
        return (n.what == kind::integer && n.size < surely_fits) || nlohmann::json::accept(to_.text_of(n));
    }

    bool string() {
        ++at_;
        const auto index = begin_node(kind::string);
        for (;;) {
            while (is_plain(*at_)) {
                ++at_;
            }
            if (*at_ == '"') {
                break;
            }
            if (*at_ == '\\') {
                return escaped_string(index);
            }
            if (!other_character()) {
                return false;
            }
        }
        to_.nodes_[index].size = position() - to_.nodes_[index].at;
        ++at_;
        end_node(index);
        return true;
    }

    /// One character beyond ASCII.
    bool other_character() {
        if (static_cast<unsigned char>(*at_) < 0x80) {
            return false;
        }
        const auto length = character_length(text_, position());
        at_ += length;
        return length > 0;
    }

    /// The rest of a string whose first escape is next.
    bool escaped_string(std::size_t index) {
        auto& node = to_.nodes_[index];
        auto& out = to_.decoded_;
        const auto begin = out.size();
        out.append(text_.substr(node.at, position() - node.at));
        while (*at_ != '"') {
            const char* const from = at_;
            if (*at_ == '\\') {
                if (!escape(out)) {
                    return false;
                }
                continue;
            }
            if (is_plain(*at_)) {
                ++at_;
            } else if (!other_character()) {
                return false;
            }
            out.append(from, at_);
        }
        ++at_;
        node.at = static_cast<std::uint32_t>(begin);
        node.size = static_cast<std::uint32_t>(out.size() - begin);
        node.escaped = true;
        end_node(index);
        return true;
    }

    bool escape(std::string& out) {
        constexpr std::string_view names = "\"\\/bfnrt";
        constexpr std::string_view meant = "\"\\/\b\f\n\r\t";
        if (at_[1] == 'u') {
            return unicode(out);
        }
        const auto found = at_[1] == '\0' ? std::string_view::npos : names.find(at_[1]);
        if (found == std::string_view::npos) {
            return false;
        }
        out += meant[found];
        at_ += 2;
        return true;
    }

    bool unicode(std::string& out) {
        constexpr std::size_t length = 6;
        const auto unit = unicode_escape(text_, position());
        if (!unit || is_low(*unit)) {
            return false;
        }
        at_ += length;
        unsigned code = *unit;
        if (is_high(code)) {
            const auto low = unicode_escape(text_, position());
            if (!low || !is_low(*low)) {
                return false;
            }
            at_ += length;
            code = 0x10000 + ((code - 0xD800) << 10) + (*low - 0xDC00);
        }
        append_utf8(out, code);
        return true;
    }

    flat_json& to_;
    std::string_view text_;
    const char* at_;
};

std::optional<flat_json> flat_json::parse(std::string text) {
    if (text.size() >= std::numeric_limits<std::uint32_t>::max()) {
        return std::nullopt;
    }
    flat_json out;
    out.text_ = std::move(text);
    constexpr std::size_t bytes_a_value = 12;
    out.nodes_.reserve(out.text_.size() / bytes_a_value + 1);
    flat_parser parser(out);
    if (!parser.run()) {
        return std::nullopt;
    }
    return out;
}

}  // namespace m365stage::graph
