#pragma once

#include <string>

namespace m365stage::test {

/// What a certificate of the tests looks like.
struct certificate_wish {
    certificate_wish() = default;
    std::string name = "localhost";  ///< common name
    std::string subject_alt = "DNS:localhost,IP:127.0.0.1";
    int from_days = -1;  ///< relative to now
    int until_days = 1;
    bool is_authority = false;
};

struct key_pair {
    key_pair() = default;
    std::string certificate, key;  ///< PEM
};

/// Makes a certificate (EC P-256) signed by `issuer`, or by itself if `issuer` is null.
key_pair make_certificate(const certificate_wish& wish, const key_pair* issuer = nullptr);

/// A CA made once per test program, in a file of its own that is removed at the end.
const key_pair& test_authority();
const std::string& test_authority_file();

}  // namespace m365stage::test
