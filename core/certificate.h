// X.509 identities: what a certificate says of its owner. Thread-safe: no state.
// Issuing them is scheduler/enrolment's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/keys.h"

namespace dragnet {

struct CertificateInfo {
  // Lower-case hex of the DER's SHA-256.
  std::string fingerprint;
  // The single URI name spiffe://…; empty if there is none or more than one.
  std::string spiffe_id;
  std::string spki;
  absl::Time not_before;
  absl::Time not_after;
};

// The first certificate of a PEM text.
absl::StatusOr<CertificateInfo> ParseCertificate(std::string_view pem);

// Whether `chain` (PEM: a certificate, then those between it and the CA) will do
// as a TLS client's: every part of it can be read, and one of `ca_certificates`
// (PEM) signed it. InvalidArgument says why not. Says nothing of its validity in
// time: this host's clock may be off, and the peer's counts.
absl::Status VerifyClientChain(std::string_view chain, std::string_view ca_certificates);

// DER PKCS#10 (RFC 2986), signed by `key`. Its subject is empty: the issuer
// takes only the public key and names the owner itself.
absl::StatusOr<std::string> CreateSigningRequest(const PrivateKey& key);

// Checks the request's own signature; gives its public key.
absl::StatusOr<PublicKey> ParseSigningRequest(std::string_view der);

// Parts of spiffe://<fleet>/<kind>/<name>; nothing for any other form.
struct SpiffeId {
  std::string fleet_id;
  std::string kind;  // "agent", "investigator" or "scheduler"
  std::string name;
};
std::optional<SpiffeId> ParseSpiffeId(std::string_view uri);
std::string FormatSpiffeId(const SpiffeId& id);

}  // namespace dragnet
