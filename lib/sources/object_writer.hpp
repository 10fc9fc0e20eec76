#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "graph/flat_json.hpp"

namespace m365stage::sources {

/// Canonical JSON of an object (see `canonical`), put together member by member; names come in their order.
class object_writer {
public:
    /// A value that is none or null is left out.
    void add(std::string_view name, const graph::flat_value& value) {
        if (value) {
            begin(name);
            value.write_canonical(text_);
        }
    }

    void add_text(std::string_view name, std::string_view canonical_text) {
        begin(name);
        text_ += canonical_text;
    }

    /// The members of `from` that have these names.
    template <class Names>
    void keep(const graph::flat_value& from, const Names& names) {
        for (const std::string_view name : names) {
            add(name, from.member(name));
        }
    }

    /// An object with those members of `value` that have these names; nothing if it has none of them.
    void add_some(
        std::string_view name, const graph::flat_value& value, std::initializer_list<std::string_view> names
    ) {
        object_writer inner;
        inner.keep(value, names);
        if (!inner.text_.empty()) {
            add_text(name, inner.finish());
        }
    }

    std::string finish() { return "{" + std::move(text_) + "}"; }

private:
    void begin(std::string_view name) {
        text_.append(text_.empty() ? "\"" : ",\"").append(name).append("\":");
    }

    std::string text_;
};

}  // namespace m365stage::sources
