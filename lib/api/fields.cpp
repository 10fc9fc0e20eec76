#include "api/fields.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

#include "http/text.hpp"

namespace m365stage::api {
namespace {

core::error bad(std::string why) {
    return core::error(core::error_kind::bad_request, std::move(why));
}

bool has_control(std::string_view text) {
    for (const char c : text) {
        if (http::is_control(c)) {
            return true;
        }
    }
    return false;
}

}  // namespace

field_reader field_reader::of_query(const request& r) {
    field_reader out;
    for (const auto& [name, value] : r.query) {
        out.fields_.push_back({name, value});
    }
    return out;
}

field_reader field_reader::of_body(const request& r) {
    field_reader out;
    if (!r.query.empty()) {
        out.error_ = bad("this takes no parameters: put the values into a JSON object in the body");
        return out;
    }
    if (r.body.empty()) {
        return out;
    }
    // The depth is bounded by the parser's own stack use: it is not recursive.
    const auto document = nlohmann::json::parse(r.body, nullptr, false);
    if (!document.is_object()) {
        out.error_ = bad("the body has to be a JSON object");
        return out;
    }
    for (const auto& [name, value] : document.items()) {
        if (value.is_string()) {
            out.fields_.push_back({name, value.get<std::string>()});
        } else if (value.is_number_integer()) {
            out.fields_.push_back({name, value.get<std::int64_t>()});
        } else if (value.is_boolean()) {
            out.fields_.push_back({name, value.get<bool>()});
        } else {
            out.error_ = bad("'" + name + "' has to be a text, a whole number, true or false");
        }
    }
    return out;
}

field_reader::field* field_reader::take(std::string_view name) {
    known_.append(known_.empty() ? "" : ", ").append(name);
    field* found = nullptr;
    for (auto& f : fields_) {
        if (f.name == name) {
            if (found != nullptr && !error_) {
                error_ = bad("'" + f.name + "' is given twice");
            }
            f.asked = true;
            found = &f;
        }
    }
    return found;
}

void field_reader::wrong(std::string_view name, std::string_view expected) {
    if (!error_) {
        error_ = bad("'" + std::string(name) + "' has to be " + std::string(expected));
    }
}

std::string field_reader::text(std::string_view name, std::size_t longest) {
    const auto* f = take(name);
    if (f == nullptr) {
        return {};
    }
    const auto* value = std::get_if<std::string>(&f->value);
    if (value == nullptr || value->size() > longest || has_control(*value)) {
        wrong(name, "a text of at most " + std::to_string(longest) + " bytes without control characters");
        return {};
    }
    return *value;
}

std::string field_reader::required_text(std::string_view name, std::size_t longest) {
    auto out = text(name, longest);
    if (out.empty()) {
        wrong(name, "given");
    }
    return out;
}

std::int64_t field_reader::number(
    std::string_view name, std::int64_t otherwise, std::int64_t least, std::int64_t most
) {
    const auto* f = take(name);
    if (f == nullptr) {
        return otherwise;
    }
    std::int64_t out = 0;
    bool good = false;
    if (const auto* n = std::get_if<std::int64_t>(&f->value)) {
        out = *n;
        good = true;
    } else if (const auto* text = std::get_if<std::string>(&f->value)) {
        const auto end = text->data() + text->size();
        const auto read = std::from_chars(text->data(), end, out);
        good = read.ec == std::errc() && read.ptr == end;
    }
    if (!good || out < least || out > most) {
        wrong(name, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
        return otherwise;
    }
    return out;
}

bool field_reader::flag(std::string_view name) {
    const auto* f = take(name);
    if (f == nullptr) {
        return false;
    }
    if (const auto* b = std::get_if<bool>(&f->value)) {
        return *b;
    }
    const auto* text = std::get_if<std::string>(&f->value);
    if (text == nullptr || (*text != "true" && *text != "false")) {
        wrong(name, "true or false");
    }
    return text != nullptr && *text == "true";
}

core::result<void> field_reader::finish() {
    for (const auto& f : fields_) {
        if (!f.asked && !error_) {
            error_ = bad("'" + f.name.substr(0, 100) + "' means nothing here");
            error_->hint = known_.empty() ? "nothing can be given" : "there are: " + known_;
        }
    }
    if (error_) {
        return *error_;
    }
    return {};
}

}  // namespace m365stage::api
