#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "graph/client.hpp"

namespace m365stage::test {

/// A service that nobody asks for anything; tests override what is asked for.
class bare_graph : public graph::client {
public:
    graph::task<core::result<http::response>> send(graph::call) override { co_return unexpected(); }
    graph::task<core::result<nlohmann::json>> get_json(graph::call) override { co_return unexpected(); }
    graph::task<core::result<graph::page>> get_page(graph::call) override { co_return unexpected(); }
    graph::task<core::result<http::response>> download(graph::call, http::body_sink&) override {
        co_return unexpected();
    }
    bool is_own(std::string_view) const override { return true; }
    graph::statistics stats() const override { return {}; }
    std::optional<std::chrono::steady_clock::time_point> paused_until(const graph::scope&) const override {
        return std::nullopt;
    }
    std::optional<double> sharepoint_budget() const override { return std::nullopt; }
    std::vector<graph::allowance> allowances() const override { return {}; }
    std::string budget_memory() const override { return {}; }
    void remember_budget(std::string_view) override {}

private:
    static core::error unexpected() {
        return core::error(core::error_kind::internal, "nobody asks for this");
    }
};

}  // namespace m365stage::test
