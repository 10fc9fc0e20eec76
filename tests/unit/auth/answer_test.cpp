#include <doctest/doctest.h>

#include "auth/retry_plan.hpp"
#include "auth/token_answer.hpp"
#include "auth/token_request.hpp"
#include "support.hpp"

using namespace m365stage;
using namespace m365stage::test;
using namespace std::chrono_literals;
using auth::next_step;
using core::error_kind;

TEST_SUITE("auth") {
    TEST_CASE("answer: expires_in is a number at Entra and a string at IMDS") {
        auto entra = auth::parse_token(token_json("abc", 3599));
        REQUIRE(entra.has_value());
        CHECK(entra->value == "abc");
        CHECK(entra->life == 3599s);
        auto imds =
            auth::parse_token(R"({"access_token":"x","expires_in":"3599","expires_on":"1795000000"})");
        REQUIRE(imds.has_value());
        CHECK(imds->life == 3599s);
    }

    TEST_CASE("answer: a 200 that is no token is a protocol error") {
        for (std::string body :
             {"", "<html>sign in to the guest network</html>", "[]", "{}", R"({"expires_in":3599})",
              R"({"access_token":"x\r\nEvil: 1","expires_in":5})", R"({"access_token":7,"expires_in":5})"}) {
            CAPTURE(body);
            auto got = auth::parse_token(body);
            REQUIRE(got.has_error());
            CHECK(got.error().kind == error_kind::protocol);
        }
    }

    TEST_CASE("answer: a token whose life is not told is used for a short one, and one of nonsense not at all"
    ) {
        for (const char* untold : {R"({"access_token":"x"})", R"({"access_token":"x","expires_in":null})"}) {
            CHECK(auth::parse_token(untold).value().life == 5min);
        }
        CHECK(auth::parse_token(R"({"access_token":"x","expires_in":3599.9})").value().life == 3599s);
        CHECK(auth::parse_token(R"({"access_token":"x","expires_in":1e300})").value().life == 7 * 24h);
        for (const char* nonsense :
             {"0", "-1", "0.5", "-1e300", "\"5s\"", "\"-5\"", "\"0\"", "\"\"", "true", "{}"}) {
            CAPTURE(nonsense);
            const auto got =
                auth::parse_token(R"({"access_token":"x","expires_in":)" + std::string(nonsense) + "}");
            REQUIRE(got.has_error());
            CHECK(got.error().kind == error_kind::auth_refused);
        }
    }

    TEST_CASE("answer: every known AADSTS code has its reaction") {
        struct row {
            long code;
            int status;
            std::string error;
            error_kind kind;
            next_step next;
            std::string hint;
        };
        const row rows[] = {
            {7000215, 401, "invalid_client", error_kind::auth_refused, next_step::give_up,
             "instead of its value"},
            {7000222, 401, "invalid_client", error_kind::auth_refused, next_step::give_up, "expired"},
            {7000218, 401, "invalid_client", error_kind::auth_refused, next_step::give_up, "configure"},
            {700027, 401, "invalid_client", error_kind::auth_refused, next_step::give_up,
             "upload this certificate"},
            {50012, 401, "invalid_client", error_kind::auth_refused, next_step::give_up, "certificate"},
            {5001211, 401, "invalid_client", error_kind::auth_refused, next_step::give_up, "certificate"},
            {50013, 400, "invalid_client", error_kind::auth_refused, next_step::fresh_assertion, "clock"},
            {500133, 401, "invalid_client", error_kind::auth_refused, next_step::fresh_assertion, "clock"},
            {700024, 401, "invalid_client", error_kind::auth_refused, next_step::fresh_assertion, "clock"},
            {700016, 400, "unauthorized_client", error_kind::auth_refused, next_step::give_up, "client_id"},
            {7000112, 400, "unauthorized_client", error_kind::auth_refused, next_step::give_up, "disabled"},
            {90002, 400, "invalid_request", error_kind::auth_refused, next_step::give_up, "tenant.id"},
            {900021, 400, "invalid_request", error_kind::auth_refused, next_step::give_up, "GUID"},
            {500011, 400, "invalid_resource", error_kind::auth_refused, next_step::give_up, "tenant.cloud"},
            {70011, 400, "invalid_scope", error_kind::auth_refused, next_step::give_up, "cloud"},
            {9001023, 400, "invalid_request", error_kind::auth_refused, next_step::give_up, "common"},
            {90038, 400, "invalid_request", error_kind::auth_refused, next_step::give_up, "national cloud"},
            {65001, 400, "invalid_grant", error_kind::auth_refused, next_step::give_up, "consent"},
            {700229, 401, "invalid_client", error_kind::auth_refused, next_step::give_up, "federated"},
            {53003, 400, "access_denied", error_kind::auth_refused, next_step::give_up, "Conditional Access"},
            {90055, 429, "temporarily_unavailable", error_kind::throttled, next_step::back_off, ""},
            {90055, 400, "invalid_request", error_kind::server, next_step::back_off, ""},
            {90006, 503, "temporarily_unavailable", error_kind::server, next_step::back_off, ""},
            {90033, 400, "temporarily_unavailable", error_kind::server, next_step::back_off, ""},
            {50000, 500, "server_error", error_kind::server, next_step::back_off, ""},
            {123456, 400, "invalid_request", error_kind::auth_refused, next_step::give_up, ""},
        };
        for (const row& r : rows) {
            CAPTURE(r.code);
            auto got = auth::judge_login(r.status, login_error(r.error, r.code, "Something is wrong."));
            CHECK(got.why.kind == r.kind);
            CHECK(got.next == r.next);
            CHECK(got.why.code == "AADSTS" + std::to_string(r.code));
            CHECK(got.why.cause == "Something is wrong");
            CHECK(got.why.hint.find(r.hint) != std::string::npos);
            CHECK(got.why.http_status == r.status);
        }
    }

    TEST_CASE("answer: errors that are no JSON are judged by status") {
        CHECK(auth::judge_login(502, "<html>").why.kind == error_kind::server);
        CHECK(auth::judge_login(502, "<html>").next == next_step::back_off);
        CHECK(auth::judge_login(503, "").why.kind == error_kind::server);
        CHECK(auth::judge_login(429, "").why.kind == error_kind::throttled);
        CHECK(auth::judge_login(403, "<html>").why.kind == error_kind::protocol);
        CHECK(auth::judge_login(400, R"({"error":"invalid_client"})").why.code == "invalid_client");
        CHECK(auth::judge_login(400, R"({"error":7})").why.kind == error_kind::protocol);
    }

    TEST_CASE("answer: IMDS is judged by status and error alone") {
        CHECK(auth::judge_metadata(404, "").next == next_step::back_off);
        CHECK(auth::judge_metadata(410, "").next == next_step::back_off);
        CHECK(auth::judge_metadata(429, "").why.kind == error_kind::throttled);
        CHECK(auth::judge_metadata(500, R"({"error":"unknown"})").next == next_step::back_off);
        auto refused = auth::judge_metadata(
            400, R"({"error":"invalid_request","error_description":"Identity not found"})"
        );
        CHECK(refused.next == next_step::give_up);
        CHECK(refused.why.kind == error_kind::auth_refused);
        CHECK(refused.why.code == "invalid_request");
        CHECK(refused.why.cause == "Identity not found");
    }

    TEST_CASE("request: form fields are encoded, the tenant can't leave its path segment") {
        auth::credential c;
        c.login_url = "https://login.example/";
        c.graph_url = "https://graph.example";
        c.tenant = "contoso.com";
        c.client_id = "app";
        auto r = auth::secret_request(c, "a b&c=d+e", R"({"x":1})");
        CHECK(r.verb == http::method::post);
        CHECK(r.url == "https://login.example/contoso.com/oauth2/v2.0/token");
        CHECK(
            r.body ==
            "grant_type=client_credentials&client_id=app&client_secret=a%20b%26c%3Dd%2Be&scope=https%3A%2F%2F"
            "graph.example%2F.default&claims=%7B%22x%22%3A1%7D"
        );
        c.tenant = "../evil?x";
        CHECK(auth::token_endpoint(c) == "https://login.example/..%2Fevil%3Fx/oauth2/v2.0/token");
        auto assertion = auth::assertion_request(c, "j.w.t", "");
        CHECK(assertion.body.find("client_assertion=j.w.t") != std::string::npos);
        CHECK(assertion.body.find("client_secret") == std::string::npos);
        CHECK(assertion.body.find("jwt-bearer") != std::string::npos);
        auto imds = auth::metadata_request(c);
        CHECK(imds.fields.find("Metadata").value() == "true");
        CHECK(
            imds.url ==
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
            "https%3A%2F%2Fgraph.example%2F&client_id=app"
        );
    }

    TEST_CASE("plan: a token is renewed at 80 % or five minutes ahead, but not before half of its life") {
        CHECK(auth::renewal_age(3599s) == 2879s);
        CHECK(auth::renewal_age(1200s) == 900s);
        CHECK(auth::renewal_age(600s) == 300s);
        CHECK(auth::renewal_age(60s) == 30s);
        CHECK(auth::renewal_age(24h) == 69120s);
    }

    TEST_CASE("plan: five tries with full jitter; Retry-After counts to the letter") {
        CHECK(auth::login_pause(1, 0.5, std::nullopt) == 1000ms);
        CHECK(auth::login_pause(1, 0.0, std::nullopt) == 0ms);
        CHECK(auth::login_pause(4, 0.5, std::nullopt) == 8000ms);
        CHECK_FALSE(auth::login_pause(5, 0.5, std::nullopt).has_value());
        CHECK(auth::login_pause(2, 0.5, 77'000ms) == 77'000ms);
        int total = 0;
        for (unsigned tries = 1; tries <= 5; ++tries) {
            total += static_cast<int>(auth::metadata_pause(tries, 410, std::nullopt)->count()) / 1000;
        }
        CHECK(total >= 70);
        CHECK(auth::metadata_pause(1, 404, std::nullopt) == 0ms);
        CHECK(auth::metadata_pause(1, 500, std::nullopt) == 1000ms);
        CHECK(auth::metadata_pause(5, 404, std::nullopt) == 30'000ms);
        CHECK_FALSE(auth::metadata_pause(6, 404, std::nullopt).has_value());
        CHECK(auth::retry_seconds("1.5") == 1500ms);
        CHECK_FALSE(auth::retry_seconds("-1").has_value());
        CHECK_FALSE(auth::retry_seconds("soon").has_value());
    }
}
