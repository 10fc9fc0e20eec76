#include "config/yaml_document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>

#include "core/utf8.hpp"

namespace m365stage::config {
namespace {

// No value of ours comes near these. They bound the work that a hostile or broken file can cause.
constexpr std::size_t longest_scalar = 1024;
constexpr std::size_t most_nodes = 20'000;
constexpr std::size_t deepest = 50;

bool is_digits(std::string_view text, std::string_view digits) {
    return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}

std::string_view without_sign(std::string_view text) {
    return !text.empty() && (text.front() == '+' || text.front() == '-') ? text.substr(1) : text;
}

bool is_integer(std::string_view text) {
    if (text.starts_with("0o")) {
        return is_digits(text.substr(2), "01234567");
    }
    if (text.starts_with("0x")) {
        return is_digits(text.substr(2), "0123456789abcdefABCDEF");
    }
    return is_digits(without_sign(text), "0123456789");
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_number(std::string_view text) {
    text = without_sign(text);
    const auto exponent = text.find_first_of("eE");
    if (exponent != std::string_view::npos) {
        if (!is_digits(without_sign(text.substr(exponent + 1)), "0123456789")) {
            return false;
        }
        text = text.substr(0, exponent);
    }
    const auto point = text.find('.');
    const std::string_view whole = text.substr(0, point);
    const std::string_view part = point == std::string_view::npos ? "" : text.substr(point + 1);
    if (whole.empty()) {
        return is_digits(part, "0123456789");
    }
    return is_digits(whole, "0123456789") && (part.empty() || is_digits(part, "0123456789"));
}

// Infinities and NaN stay texts: no key takes them, and they would slip through every range check.
node_type type_of_plain(std::string_view text) {
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
        return node_type::null;
    }
    for (std::string_view b : {"true", "True", "TRUE", "false", "False", "FALSE"}) {
        if (text == b) {
            return node_type::boolean;
        }
    }
    if (is_integer(text)) {
        return node_type::integer;
    }
    return is_number(text) ? node_type::number : node_type::text;
}

node_type type_of_scalar(const std::string& tag, std::string_view text) {
    if (tag == "tag:yaml.org,2002:str" || tag == "!") {
        return node_type::text;
    }
    return type_of_plain(text);
}

/// Ends the reading; what was wrong is in the problem list already.
struct stop_reading {};

/// Builds the tree from yaml-cpp's events. YAML::Node is not used because it resolves duplicate keys silently
/// and shares the nodes that aliases name.
class builder : public YAML::EventHandler {
public:
    explicit builder(problem_list& problems) : problems_(problems) {}

    node root;

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (++documents_ > 1) {
            fail(mark, "a second YAML document starts here; expected one document in the file");
        }
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        add_scalar(mark, anchor, node_type::null, "");
    }

    void OnScalar(
        const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value
    ) override {
        if (value.size() > longest_scalar) {
            fail(
                mark, "a value of " + std::to_string(value.size()) + " bytes; expected at most " +
                          std::to_string(longest_scalar) + " bytes"
            );
        }
        // Who reads it later counts on that, valijson to the point of reading past its end.
        if (!core::is_utf8(value)) {
            fail(mark, "bytes that are no text; expected UTF-8");
        }
        add_scalar(mark, anchor, type_of_scalar(tag, value), value);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) {
            fail(mark, "an alias inside of what it names; expected an anchor that is complete");
        }
        count(mark, size_of(found->second));
        close(mark, node(found->second), 0);
    }

    void OnSequenceStart(
        const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value
    ) override {
        open(mark, anchor, node_type::list);
    }
    void OnSequenceEnd() override { pop(); }

    void OnMapStart(
        const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value
    ) override {
        open(mark, anchor, node_type::map);
    }
    void OnMapEnd() override { pop(); }

private:
    struct level {
        node value;
        YAML::anchor_t anchor = 0;
        YAML::Mark mark;
        bool has_key = false;
        member pending;
    };

    [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) {
        problems_.add(mark.line + 1, "", what);
        throw stop_reading();
    }

    static std::size_t size_of(const node& value) {
        std::size_t sum = 1;
        for (const node& item : value.items) {
            sum += size_of(item);
        }
        for (const member& m : value.members) {
            sum += size_of(m.value);
        }
        return sum;
    }

    void count(const YAML::Mark& mark, std::size_t more) {
        nodes_ += more;
        if (nodes_ > most_nodes) {
            fail(
                mark,
                "the file holds too many values (aliases counted as what they stand for); expected at most " +
                    std::to_string(most_nodes)
            );
        }
    }

    void open(const YAML::Mark& mark, YAML::anchor_t anchor, node_type type) {
        count(mark, 1);
        if (levels_.size() >= deepest) {
            fail(mark, "nested too deeply; expected at most " + std::to_string(deepest) + " levels");
        }
        level& l = levels_.emplace_back();
        l.value.type = type;
        l.value.line = mark.line + 1;
        l.anchor = anchor;
        l.mark = mark;
    }

    void pop() {
        level done = std::move(levels_.back());
        levels_.pop_back();
        close(done.mark, std::move(done.value), done.anchor);
    }

    void add_scalar(const YAML::Mark& mark, YAML::anchor_t anchor, node_type type, const std::string& text) {
        count(mark, 1);
        node n;
        n.type = type;
        n.text = text;
        n.line = mark.line + 1;
        close(mark, std::move(n), anchor);
    }

    /// A value is complete: it becomes the root, an item, a key or a key's value.
    void close(const YAML::Mark& mark, node value, YAML::anchor_t anchor) {
        if (anchor != 0) {
            anchors_[anchor] = value;
        }
        if (levels_.empty()) {
            root = std::move(value);
            root.line = root.type == node_type::null ? 0 : root.line;  // an empty file has no line to name
            return;
        }
        level& parent = levels_.back();
        if (parent.value.type == node_type::list) {
            parent.value.items.push_back(std::move(value));
        } else if (!parent.has_key) {
            take_key(mark, parent, value);
        } else {
            take_value(parent, std::move(value));
        }
    }

    void take_key(const YAML::Mark& mark, level& parent, const node& key) {
        if (key.type == node_type::list || key.type == node_type::map) {
            fail(mark, "a list or mapping is used as a key; expected a name");
        }
        parent.pending.key = key.text;
        parent.pending.line = mark.line + 1;
        parent.has_key = true;
    }

    void take_value(level& parent, node value) {
        parent.has_key = false;
        // A value that is left out has the mark of what follows it, and a block its first line: of both,
        // people look for the key.
        if (value.text.empty()) {
            value.line = parent.pending.line;
        }
        for (const member& m : parent.value.members) {
            if (m.key == parent.pending.key) {
                problems_.add(
                    parent.pending.line, path() + m.key,
                    "the key is there twice (first in line " + std::to_string(m.line) + "); expected it once"
                );
                return;
            }
        }
        parent.pending.value = std::move(value);
        parent.value.members.push_back(std::move(parent.pending));
        parent.pending = member();
    }

    std::string path() const {
        std::string out;
        for (std::size_t i = 0; i + 1 < levels_.size(); ++i) {
            if (levels_[i].has_key) {
                out += levels_[i].pending.key + ".";
            }
        }
        return out;
    }

    problem_list& problems_;
    std::vector<level> levels_;
    std::map<YAML::anchor_t, node> anchors_;
    std::size_t nodes_ = 0;
    int documents_ = 0;
};

/// YAML forbids tabs for indentation, but yaml-cpp's message for them names the wrong thing.
bool find_tabs(std::string_view text, problem_list& problems) {
    bool found = false;
    int line = 0;
    while (!text.empty()) {
        ++line;
        const auto end = std::min(text.find('\n'), text.size());
        const std::string_view indent = text.substr(0, std::min(text.find_first_not_of(" \t\r"), end));
        const bool has_content = indent.size() < end && text[indent.size()] != '#';
        if (has_content && indent.find('\t') != std::string_view::npos) {
            problems.add(line, "", "a tab in the indentation; expected blanks");
            found = true;
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return found;
}

}  // namespace

const node* node::find(std::string_view key) const {
    for (const member& m : members) {
        if (m.key == key) {
            return &m.value;
        }
    }
    return nullptr;
}

node read_yaml(std::string_view text, problem_list& problems) {
    if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
        const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
        problems.add(static_cast<int>(line), "", "the file holds a NUL byte; expected UTF-8 text");
        return node();
    }
    if (find_tabs(text, problems)) {
        return node();
    }
    builder build(problems);
    try {
        // yaml-cpp takes the end of the file for the missing quote of a text; at an end marker it complains.
        std::istringstream stream(std::string(text) + "\n...\n");
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(build)) {
        }
    } catch (const stop_reading&) {
        return std::move(build.root);
    } catch (const YAML::Exception& e) {
        problems.add(e.mark.is_null() ? 0 : e.mark.line + 1, "", "not valid YAML: " + e.msg);
    } catch (const std::exception& e) {
        problems.add(0, "", std::string("not valid YAML: ") + e.what());
    }
    return std::move(build.root);
}

std::string describe_value(const node& value) {
    switch (value.type) {
        case node_type::null:
            return "is empty";
        case node_type::boolean:
            return "is " + value.text;
        case node_type::integer:
        case node_type::number:
            return "is the number " + value.text;
        case node_type::text:
            return "is " + quoted(value.text);
        case node_type::list:
            return "is a list";
        case node_type::map:
            return "is a mapping";
    }
    return {};
}

}  // namespace m365stage::config
