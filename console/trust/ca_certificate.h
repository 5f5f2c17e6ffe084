// CA certificates of a trust policy. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::console {

// The DER of the one certificate in a PEM text. InvalidArgument for none, for
// several, and for one that isn't a CA's.
absl::StatusOr<std::string> CaCertificateFromPem(std::string_view pem);

// Lower-case hex SHA-256 of the DER.
std::string CaFingerprint(std::string_view der);

// "0123… (until 2036-01-01)", for people.
std::string CaWords(std::string_view der);

}  // namespace dragnet::console
