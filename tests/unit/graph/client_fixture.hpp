#pragma once

#include "../../support/fake_transport.hpp"
#include "auth/token_source.hpp"
#include "graph/client_parts.hpp"

/// A Graph client over a transport and a clock that tests steer.
namespace m365stage::test {

class fake_tokens final : public auth::token_source {
public:
    auth::task<core::result<auth::token>> get() override {
        if (failure) {
            co_return *failure;
        }
        auth::token out;
        out.value = "token-" + std::to_string(number);
        if (clock != nullptr) {
            out.expires = clock->wall() + life;
            out.ends = clock->now() + life;
        }
        ++asked;
        co_return out;
    }
    void reject(const std::string& rejected, std::string claims) override {
        rejections.emplace_back(rejected, std::move(claims));
        ++number;
    }
    int number = 1;
    int asked = 0;
    const fake_timing* clock = nullptr;  ///< set: tokens end after `life`
    std::chrono::seconds life{60};
    std::optional<core::error> failure;
    std::vector<std::pair<std::string, std::string>> rejections;
};

struct world {
    explicit world(graph::client_options o = graph::client_options()) {
        o.graph_url = "https://graph.example";
        client = graph::make_client(net, tokens, o, clock);
    }
    graph::call call(
        std::string target, graph::service svc = graph::service::directory, std::string key = {}
    ) {
        graph::call out;
        out.target = std::move(target);
        out.where = graph::scope(svc, std::move(key));
        out.object = "users/ann";
        return out;
    }
    boost::asio::io_context io;
    fake_timing clock{io};
    fake_transport net{clock};
    fake_tokens tokens;
    std::unique_ptr<graph::client> client;
};

}  // namespace m365stage::test
