// CA certificates: several in one PEM text, each in DER form or by the id of its key.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet {

// Each certificate of a PEM text by itself, in order; what stands between them is left
// out. InvalidArgument when there is none, or one that can't be read.
absl::StatusOr<std::vector<std::string>> SplitCertificates(std::string_view pem);

// The first certificate of a PEM text.
absl::StatusOr<std::string> CertificateToDer(std::string_view pem);

// Armour only: whether it is a certificate is not looked at.
std::string CertificateToPem(std::string_view der);

// Of the first certificate of a PEM text, as lower-case hex: the id of its own key, and
// of the key that signed it (RFC 5280, sections 4.2.1.2 and 4.2.1.1). Empty when it
// doesn't say. What isn't verified may say anything.
std::string SubjectKeyId(std::string_view pem);
std::string IssuerKeyId(std::string_view pem);

}  // namespace dragnet
