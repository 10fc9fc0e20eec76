#include "graph/errors.hpp"

#include <doctest/doctest.h>

#include "../../support/fake_transport.hpp"
#include "auth/encoding.hpp"
#include "graph/error_body.hpp"
#include "graph/retry.hpp"

using namespace m365stage;
using namespace m365stage::test;
using namespace std::chrono_literals;
using core::error_kind;
using graph::retry_class;

namespace {

graph::asked get_request() {
    graph::asked out;
    out.object = "users/ann";
    out.now = std::chrono::system_clock::from_time_t(1'795'000'000);
    return out;
}

std::string body(const std::string& code, const std::string& message = "No.") {
    return R"({"error":{"code":")" + code + R"(","message":")" + message + "\"}}";
}

}  // namespace

TEST_SUITE("graph") {
    TEST_CASE("errors: status, code and sentence decide kind and retry") {
        struct row {
            int status;
            std::string text;
            error_kind kind;
            retry_class retry;
        };
        const row rows[] = {
            // the delta table
            {410, body("resyncRequired"), error_kind::resync, retry_class::never},
            {410, body("resyncChangesApplyDifferences"), error_kind::resync, retry_class::never},
            {410, body("resyncChangesUploadDifferences"), error_kind::resync, retry_class::never},
            {410, body("resyncApplyDifferences"), error_kind::resync, retry_class::never},
            {410, body("SyncStateNotFound"), error_kind::resync, retry_class::never},
            {410, body("SyncStateInvalid"), error_kind::resync, retry_class::never},
            {410, "", error_kind::resync, retry_class::never},
            {410, "<html>", error_kind::resync, retry_class::never},
            {404, body("ErrorSyncStateNotFound"), error_kind::resync, retry_class::never},
            {400, body("ErrorInvalidSyncStateData"), error_kind::resync, retry_class::never},
            {400, body("syncStateNotFound"), error_kind::resync, retry_class::never},
            {400, body("invalidRequest", "Provided sync token is malformed"), error_kind::resync,
             retry_class::never},
            {400, body("BadRequest", "Parameter 'DeltaToken' not supported for this request."),
             error_kind::unsupported, retry_class::never},
            {404, body("ErrorSyncFolderNotFound"), error_kind::not_found, retry_class::never},
            {404, body("itemNotFound"), error_kind::not_found, retry_class::never},
            {403, body("ErrorQuotaExceeded"), error_kind::forbidden, retry_class::never},
            {500, body("generalException", "Failed to get a coherent view of changes. Try again later."),
             error_kind::server, retry_class::transient},
            {500, body("cannotSnapshotTree"), error_kind::server, retry_class::transient},
            {500, body("x", "nextLink value without skip or skiptoken"), error_kind::server,
             retry_class::transient},
            // statuses
            {400, body("BadRequest"), error_kind::bad_request, retry_class::never},
            {400, body("invalidRequest"), error_kind::bad_request, retry_class::brief},
            {401, body("InvalidAuthenticationToken", "CompactToken parsing failed"), error_kind::unauthorized,
             retry_class::sign_in},
            {401, body("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
             error_kind::unauthorized, retry_class::sign_in_again},
            {401, body("generalException", "Unable to initialize RPS"), error_kind::unauthorized,
             retry_class::sign_in_again},
            {401, "", error_kind::unauthorized, retry_class::sign_in},
            {402, body("PaymentRequired"), error_kind::unsupported, retry_class::never},
            {403, body("accessDenied"), error_kind::forbidden, retry_class::never},
            {403, body("Authorization_RequestDenied"), error_kind::forbidden, retry_class::never},
            {403, body("malwareDetected"), error_kind::malware, retry_class::never},
            {403, R"({"error":{"code":"accessDenied","innerError":{"code":"malwareDetected"}}})",
             error_kind::malware, retry_class::never},
            {404, "", error_kind::server, retry_class::transient},
            {404, "<html>", error_kind::server, retry_class::transient},
            {405, "", error_kind::bad_request, retry_class::never},
            {408, "", error_kind::timeout, retry_class::transient},
            {409, body("nameAlreadyExists"), error_kind::conflict, retry_class::never},
            {412, body("resourceModified"), error_kind::conflict, retry_class::never},
            {416, body("invalidRange"), error_kind::bad_request, retry_class::never},
            {422, body("unprocessableEntity"), error_kind::bad_request, retry_class::never},
            {423, body("resourceLocked"), error_kind::locked, retry_class::never},
            {423, body("notAllowed", "Access to this site has been blocked."), error_kind::locked,
             retry_class::never},
            {403, body("notAllowed"), error_kind::forbidden, retry_class::never},
            {429, "", error_kind::throttled, retry_class::throttled},
            {429, body("ApplicationThrottled"), error_kind::throttled, retry_class::throttled},
            {429, body("BadRequest", "Unable to retrieve user's mysite URL."), error_kind::unsupported,
             retry_class::never},
            {404, body("ResourceNotFound", "User's mysite not found."), error_kind::unsupported,
             retry_class::never},
            {400, body("BadRequest", "Tenant does not have a SPO license."), error_kind::unsupported,
             retry_class::never},
            {404, body("MailboxNotEnabledForRESTAPI"), error_kind::unsupported, retry_class::never},
            {500, body("ErrorCorruptData"), error_kind::unsupported, retry_class::never},
            {500, body("UnknownError"), error_kind::server, retry_class::transient},
            {501, body("notImplemented"), error_kind::unsupported, retry_class::never},
            {502, "<html>bad gateway", error_kind::server, retry_class::transient},
            {503, "", error_kind::server, retry_class::transient},
            {503, body("serviceNotAvailable"), error_kind::server, retry_class::transient},
            {504, "<html>", error_kind::server, retry_class::transient},
            {507, body("insufficientStorage"), error_kind::insufficient, retry_class::never},
            {509, body("activityLimitReached"), error_kind::throttled, retry_class::throttled},
            {400, "IO error during request payload read", error_kind::transport, retry_class::transient},
            {500, body("x", "IO Error During Request Payload Read"), error_kind::transport,
             retry_class::transient},
            {599, "", error_kind::server, retry_class::transient},
        };
        for (const row& r : rows) {
            CAPTURE(r.status);
            CAPTURE(r.text);
            auto got = graph::judge(get_request(), answer(r.status, r.text));
            CHECK(core::to_string(got.why.kind) == core::to_string(r.kind));
            CHECK(static_cast<int>(got.retry) == static_cast<int>(r.retry));
            CHECK(got.why.http_status == r.status);
            CHECK_FALSE(got.why.cause.empty());
        }
    }

    TEST_CASE("errors: a file host's answers come as they are") {
        graph::asked request = get_request();
        request.preauthenticated = true;
        CHECK(graph::judge(request, answer(401)).retry == retry_class::never);
        CHECK(graph::judge(request, answer(401)).why.kind == error_kind::unauthorized);
        CHECK(graph::judge(request, answer(403)).why.kind == error_kind::forbidden);
        CHECK(graph::judge(request, answer(404)).why.kind == error_kind::not_found);
        CHECK(graph::judge(request, answer(404, "404 FILE NOT FOUND")).why.kind == error_kind::not_found);
        CHECK(graph::judge(request, answer(423, body("resourceLocked"))).why.kind == error_kind::locked);
        CHECK(
            graph::judge(request, answer(403, "", "X-Virus-Infected", "true")).why.kind == error_kind::malware
        );
    }

    TEST_CASE("errors: what a person is told to do fits what was done") {
        graph::asked post = get_request();
        post.verb = http::method::post;
        const auto refusal = answer(400, body("ErrorInvalidRecipients"));
        const auto read = graph::judge(get_request(), refusal).why;
        const auto written = graph::judge(post, refusal).why;
        CHECK(read.kind == written.kind);
        CHECK(read.hint.find("can't read this item") != std::string::npos);
        CHECK(written.hint.find("does not take one of its addresses") != std::string::npos);
        // Of a lock the same holds for both.
        const auto locked = answer(423, body("resourceLocked"));
        CHECK(graph::judge(get_request(), locked).why.hint == graph::judge(post, locked).why.hint);
    }

    TEST_CASE("errors: what depends on the verb or the header") {
        graph::asked put = get_request();
        put.verb = http::method::put;
        CHECK(graph::judge(put, answer(404)).why.kind == error_kind::not_found);
        CHECK(graph::judge(put, answer(400, body("invalidRequest"))).retry == retry_class::never);
        auto busy = graph::judge(get_request(), answer(503, "", "retry-after", "7"));
        CHECK(busy.why.kind == error_kind::throttled);
        CHECK(busy.why.retry_after == 7000ms);
        auto expired = graph::judge(
            get_request(), answer(401, "", "WWW-Authenticate", "Bearer error=\"expired_token\"")
        );
        CHECK(expired.retry == retry_class::sign_in_again);
    }

    TEST_CASE("errors: 401 of a user without a licence is not about the token, unless the service says so") {
        const auto unlicensed = body("AuthenticationError", "Error authenticating with resource");
        const auto plain = graph::judge(get_request(), answer(401, unlicensed));
        CHECK(plain.why.kind == error_kind::forbidden);
        CHECK(plain.retry == retry_class::never);
        const auto token = graph::judge(
            get_request(), answer(401, unlicensed, "WWW-Authenticate", "Bearer error=\"invalid_token\"")
        );
        CHECK(token.why.kind == error_kind::unauthorized);
        CHECK(token.retry == retry_class::sign_in);
    }

    TEST_CASE("errors: the innermost known code counts, whatever the spelling") {
        auto got = graph::judge(
            get_request(),
            answer(
                404,
                R"({"error":{"code":"ResourceNotFound","message":"Gone.","innererror":{"code":"ITEMNOTFOUND",
            "request-id":"id-1","innerError":{"code":"somethingNew"}}}})"
            )
        );
        CHECK(got.why.kind == error_kind::not_found);
        CHECK(got.why.code == "ITEMNOTFOUND");
        CHECK(got.why.cause == "Gone.");
        CHECK(got.why.request_id == "id-1");
        CHECK(got.why.object == "users/ann");
    }

    TEST_CASE("errors: no body breaks the reader") {
        std::string huge(5u << 20, 'x');
        std::string deep = "{\"error\":";
        for (int i = 0; i < 100'000; ++i) {
            deep += "{\"innerError\":";
        }
        const std::string bodies[] = {
            huge,
            "<html>" + huge,
            R"({"error":"invalid"})",
            R"({"error":null})",
            R"({"error":[]})",
            R"({"error":{}})",
            R"({"error":{"code":7,"message":{}}})",
            R"({"error":{"code":"","message":""}})",
            "\xff\xfe\x00",
            "null",
            deep,
            R"({"error":{"code":"x","message":")" + huge + "\"}}",
            R"({"error":{"innerError":"text"}})",
            R"({"odata.error":{"code":"itemNotFound","message":{"lang":"en","value":"Gone."}}})",
        };
        for (const std::string& text : bodies) {
            auto got = graph::judge(get_request(), answer(400, text));
            CHECK(got.why.cause.size() < 600);
            CHECK(core::describe(got.why).size() < 1100);
        }
    }

    TEST_CASE("errors: tokens never come through") {
        const std::string secrets[] = {
            "https://contoso.sharepoint.com/x?tempauth=v1.SECRETSECRET.x&y=1",
            "access_token=SECRETSECRET",
            "\\\"access_token\\\": \\\"SECRETSECRET\\\"",
            "see delta?$deltatoken=SECRETSECRET",
            "authtoken=SECRETSECRET",
            "Authorization: Bearer SECRETSECRET",
            "token eyJSECRETSECRETSECRETSECRETSECRET.a.b",
            "?token=SECRETSECRET",
            "%24deltatoken%3DSECRETSECRET"
        };
        for (const std::string& text : secrets) {
            CAPTURE(text);
            auto got = graph::judge(get_request(), answer(400, body("x", "Bad link " + text)));
            CHECK(core::describe(got.why).find("SECRETSECRET") == std::string::npos);
            CHECK(got.why.cause.find("Bad link") != std::string::npos);
        }
        CHECK(
            graph::scrub("Access token has expired or is not yet valid.") ==
            "Access token has expired or is not yet valid."
        );
    }

    TEST_CASE("errors: a claims challenge is decoded; a broken one is nothing") {
        std::string claims = R"({"access_token":{"nbf":{"essential":true,"value":"1604106651"}}})";
        std::string start = "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"";
        auto got = graph::judge(
            get_request(), answer(401, "", "WWW-Authenticate", start + auth::base64url(claims) + "\"")
        );
        CHECK(got.why.claims == claims);
        CHECK(got.retry == retry_class::sign_in);
        CHECK(graph::judge(get_request(), answer(401, "", "WWW-Authenticate", start + "!!\""))
                  .why.claims.empty());
        CHECK(graph::judge(get_request(), answer(401, "", "WWW-Authenticate", start)).why.claims.empty());
    }

    TEST_CASE("retry: Retry-After as seconds, decimals and date") {
        auto now = std::chrono::system_clock::from_time_t(1'445'412'420);
        CHECK(graph::parse_retry_after("120", now) == 120'000ms);
        CHECK(graph::parse_retry_after(" 0.249 ", now) == 249ms);
        CHECK(graph::parse_retry_after("0", now) == 0ms);
        CHECK(graph::parse_retry_after("86400", now) == 86'400'000ms);
        CHECK(graph::parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now) == 60'000ms);
        CHECK(graph::parse_retry_after("Wed, 21 Oct 2015 07:00:00 GMT", now) == 0ms);
        for (const char* text : {"", "soon", "-1", "nan", "inf", "1e300", "12x", "Wed, 21 Oct"}) {
            CAPTURE(text);
            CHECK_FALSE(graph::parse_retry_after(text, now).has_value());
        }
    }

    TEST_CASE("retry: attempts, jitter and what never repeats") {
        using graph::retry_state;
        using action = graph::retry_state::action;
        graph::verdict failed;
        failed.retry = retry_class::transient;
        retry_state six(6, true);
        for (int i = 0; i < 5; ++i) {
            auto step = six.next(failed, 0.5);
            CHECK(step.what == action::wait);
            CHECK(step.pause == std::chrono::milliseconds(500 << i));
        }
        CHECK(six.next(failed, 0.5).what == action::give_up);
        CHECK(graph::jittered_pause(30, 1.0) == 60'000ms);
        CHECK(graph::jittered_pause(3, 0.0) == 0ms);
        retry_state once(6, false);
        CHECK(once.next(failed, 0.5).what == action::give_up);
        failed.why.retry_after = 90s;
        retry_state told(6, true);
        CHECK(told.next(failed, 0.5).pause == 90'000ms);

        graph::verdict slow;
        slow.retry = retry_class::throttled;
        slow.why.http_status = 429;
        retry_state patient(2, false);
        for (int i = 0; i < 500; ++i) {
            CHECK(patient.next(slow, 0.5).what == action::throttle);
        }
        CHECK(patient.attempts() == 0);
        slow.why.http_status = 503;
        int throttles = 0;
        while (patient.next(slow, 0.5).what == action::throttle) {
            ++throttles;
        }
        CHECK(throttles == 19);

        graph::verdict hiccup;
        hiccup.retry = retry_class::brief;
        retry_state brief(10, true);
        int waits = 0;
        while (brief.next(hiccup, 0.5).what == action::wait) {
            ++waits;
        }
        CHECK(waits == 3);
        retry_state resumes_itself(1, true);
        CHECK(resumes_itself.next(failed, 0.5).what == action::give_up);
        retry_state download(1, true);
        CHECK(download.next(hiccup, 0.5).what == action::wait);
        retry_state writes(6, false);
        CHECK(writes.next(hiccup, 0.5).what == action::give_up);

        graph::verdict expired;
        expired.retry = retry_class::sign_in_again;
        retry_state signing(6, true);
        CHECK(signing.next(expired, 0.5).pause == 0ms);
        for (int i = 0; i < 4; ++i) {
            CHECK(signing.next(expired, 0.5).pause == 3000ms);
        }
        CHECK(signing.next(expired, 0.5).what == action::give_up);
        expired.retry = retry_class::sign_in;
        retry_state plain(6, true);
        CHECK(plain.next(expired, 0.5).what == action::sign_in);
        CHECK(plain.next(expired, 0.5).what == action::give_up);
    }
}
