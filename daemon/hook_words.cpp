#include "daemon/hook_words.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace m365stage::daemon {
namespace {

enum class option_kind { flag, word, words };

enum class whose { every_hook, before_job, words_after };  ///< the last: after-job and job-ended

struct hook_option {
    std::string_view name;
    option_kind takes;
    whose hooks;
};

// Of the hooks, and those of every command. None of them is a word that stands in a status or in a job's
// name.
constexpr std::array options{
    hook_option{"--job", option_kind::words, whose::before_job},
    hook_option{"--level", option_kind::words, whose::before_job},
    hook_option{"--status", option_kind::words, whose::words_after},
    hook_option{"--jobid", option_kind::word, whose::every_hook},
    hook_option{"--max-age", option_kind::word, whose::before_job},
    hook_option{"--timeout", option_kind::word, whose::before_job},
    hook_option{"--on-owed", option_kind::word, whose::before_job},
    hook_option{"--config", option_kind::word, whose::every_hook},
    hook_option{"--json", option_kind::flag, whose::every_hook},
    hook_option{"--help", option_kind::flag, whose::every_hook},
    hook_option{"-h", option_kind::flag, whose::every_hook},
    hook_option{"--version", option_kind::flag, whose::every_hook},
};

/// The option that this argument is, or begins as "--name=value".
const hook_option* option_of(std::string_view argument) {
    const auto name = argument.substr(0, argument.find('='));
    const auto* at =
        std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.name == name; });
    return at == options.end() ? nullptr : at;
}

using words = std::vector<std::string>;

/// The first word from `at` on that is neither an option of every command nor its value.
words::iterator next_command(words& all, words::iterator at) {
    while (at != all.end()) {
        const auto* option = option_of(*at);
        if (option == nullptr) {
            return at;
        }
        const bool takes_next = option->takes != option_kind::flag && at->find('=') == std::string::npos;
        ++at;
        if (takes_next && at != all.end()) {
            ++at;
        }
    }
    return at;
}

/// The word that says which hook it is; the end if this is none.
words::iterator find_hook(words& all) {
    const auto first = next_command(all, all.begin());
    if (first == all.end() || *first != "hook") {
        return all.end();
    }
    const auto which = next_command(all, first + 1);
    const bool known =
        which != all.end() && (*which == "before-job" || *which == "after-job" || *which == "job-ended");
    return known ? which : all.end();
}

/// The option's value: what is behind its '=' and the words that follow, as many as it takes. `at` moves on.
std::optional<std::string> take_value(const hook_option& option, words::iterator& at, words::iterator end) {
    std::optional<std::string> value;
    if (const auto equals = at->find('='); equals != std::string::npos) {
        value = at->substr(equals + 1);
    }
    ++at;
    const bool full = option.takes == option_kind::flag || (option.takes == option_kind::word && value);
    while (!full && at != end && option_of(*at) == nullptr) {
        value = value && !value->empty() ? *value + " " + *at : *at;
        ++at;
        if (option.takes == option_kind::word) {
            break;
        }
    }
    return value;
}

}  // namespace

words join_hook_words(words arguments) {
    const auto command = find_hook(arguments);
    if (command == arguments.end()) {
        return arguments;
    }
    const bool tolerant = *command == "after-job";
    words out(arguments.begin(), command + 1);
    for (auto at = command + 1; at != arguments.end();) {
        const auto* option = option_of(*at);
        if (option == nullptr) {
            if (!tolerant) {
                out.push_back(*at);
            }
            ++at;
            continue;
        }
        const std::string name(option->name);
        auto value = take_value(*option, at, arguments.end());
        const bool blank = value.value_or("").empty();
        if ((blank && name == "--level") || (tolerant && option->hooks == whose::before_job)) {
            continue;  // as if it was not there
        }
        if (blank && name == "--status") {
            value = unknown_status;
        }
        out.push_back(value ? name + "=" + *value : name);
    }
    return out;
}

std::string status_to_tell(std::string text) {
    constexpr std::size_t longest = 200;  // as the service takes it (api/fields.hpp)
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
        ' '
    );
    const auto first = text.find_first_not_of(' ');
    if (first == std::string::npos) {
        return unknown_status;
    }
    text = text.substr(first, text.find_last_not_of(' ') - first + 1);
    if (text.size() > longest) {
        auto end = longest;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
            --end;
        }
        text.resize(end);
    }
    return text;
}

}  // namespace m365stage::daemon
