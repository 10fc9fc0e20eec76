#include "auth/assertion.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "auth/encoding.hpp"
#include "support.hpp"

using namespace m365stage;
using namespace m365stage::test;

namespace {

struct jwt {
    nlohmann::json header, body;
    std::string signed_text, signature;
};

jwt split(const std::string& text) {
    auto first = text.find('.');
    auto second = text.find('.', first + 1);
    jwt out;
    out.header = nlohmann::json::parse(auth::base64_decode(text.substr(0, first)).value());
    out.body = nlohmann::json::parse(auth::base64_decode(text.substr(first + 1, second - first - 1)).value());
    out.signed_text = text.substr(0, second);
    out.signature = auth::base64_decode(text.substr(second + 1)).value();
    return out;
}

bool verifies(const jwt& token, EVP_PKEY* key, bool pss) {
    std::shared_ptr<EVP_MD_CTX> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_PKEY_CTX* parameters = nullptr;
    EVP_DigestVerifyInit(context.get(), &parameters, EVP_sha256(), nullptr, key);
    if (pss) {
        EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, 32);
    }
    return EVP_DigestVerify(
               context.get(), reinterpret_cast<const unsigned char*>(token.signature.data()),
               token.signature.size(), reinterpret_cast<const unsigned char*>(token.signed_text.data()),
               token.signed_text.size()
           ) == 1;
}

std::string digest(X509* x, const EVP_MD* how) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    X509_digest(x, how, bytes, &size);
    return auth::base64url(std::string_view(reinterpret_cast<char*>(bytes), size));
}

auth::assertion_claims claims() {
    auth::assertion_claims out;
    out.audience = "https://login.example/t/oauth2/v2.0/token";
    out.client_id = "app-1";
    out.id = "jti-1";
    out.now = std::chrono::system_clock::from_time_t(1'795'000'000);
    return out;
}

}  // namespace

TEST_SUITE("auth") {
    TEST_CASE("assertion: PS256 goes with x5t#S256 and verifies") {
        auto text = auth::make_assertion(
            identity().certificate + identity().key, claims(), auth::assertion_kind::ps256
        );
        REQUIRE(text.has_value());
        jwt token = split(*text);
        CHECK(token.header["alg"] == "PS256");
        CHECK(token.header["typ"] == "JWT");
        CHECK(token.header["x5t#S256"] == digest(identity().x509.get(), EVP_sha256()));
        CHECK_FALSE(token.header.contains("x5t"));
        CHECK(verifies(token, identity().pair.get(), true));
        CHECK(token.body["aud"] == "https://login.example/t/oauth2/v2.0/token");
        CHECK(token.body["iss"] == "app-1");
        CHECK(token.body["sub"] == "app-1");
        CHECK(token.body["jti"] == "jti-1");
        CHECK(token.body["nbf"] == 1'795'000'000);
        CHECK(token.body["exp"] == 1'795'000'600);
    }

    TEST_CASE("assertion: RS256 goes with x5t and verifies, whatever the order in the file") {
        auto text = auth::make_assertion(
            identity().key + identity().certificate, claims(), auth::assertion_kind::rs256
        );
        REQUIRE(text.has_value());
        jwt token = split(*text);
        CHECK(token.header["alg"] == "RS256");
        CHECK(token.header["x5t"] == digest(identity().x509.get(), EVP_sha1()));
        CHECK_FALSE(token.header.contains("x5t#S256"));
        CHECK(verifies(token, identity().pair.get(), false));
    }

    TEST_CASE("assertion: a chain before the own certificate does no harm") {
        test_identity other = make_identity();
        auto text = auth::make_assertion(
            other.certificate + identity().certificate + identity().key, claims(), auth::assertion_kind::ps256
        );
        REQUIRE(text.has_value());
        CHECK(split(*text).header["x5t#S256"] == digest(identity().x509.get(), EVP_sha256()));
    }

    TEST_CASE("assertion: a file that can't work says what is wrong with it") {
        test_identity other = make_identity();
        test_identity curve = make_identity(false);
        struct row {
            std::string pem, cause;
        };
        const row rows[] = {
            {"", "no private key"},
            {identity().certificate, "no private key"},
            {identity().key, "no certificate"},
            {other.certificate + identity().key, "does not fit"},
            {curve.certificate + curve.key, "not an RSA key"},
            {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "encrypted"
            },
        };
        for (const row& r : rows) {
            auto got = auth::make_assertion(r.pem, claims(), auth::assertion_kind::ps256);
            REQUIRE(got.has_error());
            CHECK(got.error().kind == core::error_kind::usage);
            CHECK(got.error().cause.find(r.cause) != std::string::npos);
        }
    }

    TEST_CASE("certificate_end: is the certificate's own, and a missing file is named") {
        temp_dir dir;
        auto end = auth::certificate_end(dir.file("app.pem", identity().certificate + identity().key), "app");
        REQUIRE(end.has_value());
        CHECK(std::chrono::system_clock::to_time_t(*end) == 1'900'000'000);
        auto missing = auth::certificate_end(dir.path("none.pem"), "restore_app");
        REQUIRE(missing.has_error());
        CHECK(missing.error().kind == core::error_kind::usage);
        CHECK(missing.error().object == dir.path("none.pem"));
        CHECK(missing.error().hint == "check the path in restore_app");
    }

    TEST_CASE("base64: url alphabet out, both alphabets in, with and without padding") {
        CHECK(auth::base64url(std::string_view("\xfb\xff\xfe", 3)) == "-__-");
        CHECK(auth::base64url("a") == "YQ");
        CHECK(auth::base64_decode("-__-") == std::string("\xfb\xff\xfe"));
        CHECK(auth::base64_decode("+//+") == std::string("\xfb\xff\xfe"));
        CHECK(auth::base64_decode("YQ==") == std::string("a"));
        CHECK(auth::base64_decode("YQ") == std::string("a"));
        CHECK_FALSE(auth::base64_decode("Y").has_value());
        CHECK_FALSE(auth::base64_decode("Y!==").has_value());
    }

    TEST_CASE("decode_token: reads roles and names; anything else is nothing") {
        std::string body =
            R"({"tid":"t","appid":"a","app_displayname":"Backup","roles":["Files.Read.All",7]})";
        auto facts = auth::decode_token("h." + auth::base64url(body) + ".s");
        REQUIRE(facts.has_value());
        CHECK(facts->tenant == "t");
        CHECK(facts->app_id == "a");
        CHECK(facts->app_name == "Backup");
        CHECK(facts->roles == std::vector<std::string>{"Files.Read.All"});
        CHECK_FALSE(auth::decode_token("opaque").has_value());
        CHECK_FALSE(auth::decode_token("a.!!.c").has_value());
        CHECK_FALSE(auth::decode_token("a.W10.c").has_value());
    }
}
