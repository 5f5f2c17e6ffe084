// The certificate request of an investigator's TLS identity. Thread-safe: no
// state.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/certificate.h"
#include "core/keys.h"

namespace dragnet::console {

// PKCS#10 PEM for `key`, with the SPIFFE URI of `owner` as its subject's only
// alternative name: a wish, which the issuer compares with whom it issues to.
absl::StatusOr<std::string> CreateTlsRequest(const PrivateKey& key, const SpiffeId& owner);

}  // namespace dragnet::console
