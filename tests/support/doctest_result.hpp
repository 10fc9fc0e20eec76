#pragma once

#include <doctest/doctest.h>

#include "core/error.hpp"

/// Lets `CHECK(result)` and `REQUIRE(result)` print the error they hold.
template <class T>
struct doctest::StringMaker<boost::system::result<T, m365stage::core::error>> {
    static String convert(const boost::system::result<T, m365stage::core::error>& r) {
        return r.has_value() ? String("a value") : String(m365stage::core::describe(r.error()).c_str());
    }
};
