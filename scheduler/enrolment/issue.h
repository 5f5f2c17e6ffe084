// How a person gets a TLS certificate: from a signing request, on the
// scheduler's host, by who may read the CA's key. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/keys.h"
#include "scheduler/enrolment/ca.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

inline constexpr absl::Duration kMinIssueLifetime = absl::Hours(1);
inline constexpr absl::Duration kMaxIssueLifetime = absl::Hours(3 * 366 * 24);

struct InvestigatorRequest {
  std::string name;
  PublicKey key;
};

// One PKCS#10 request in PEM form and nothing else, signed by its own key
// (ECDSA P-256), that asks for one name, spiffe://<fleet_id>/investigator/<name>,
// and for nothing besides. InvalidArgument says what it has instead.
absl::StatusOr<InvestigatorRequest> ParseInvestigatorRequest(std::string_view pem,
                                                             std::string_view fleet_id);

struct IssuedIdentity {
  std::string name;
  IssuedCertificate certificate;
  // Whether the newest trust policy of the store names this person.
  bool in_policy = false;
  uint64_t policy_version = 0;
};

// Also puts it on record: a certificate that the store doesn't know is refused.
// A scheduler that runs on the same store accepts it from then on, since it asks
// the store about each certificate that it sees for the first time.
absl::StatusOr<IssuedIdentity> IssueToInvestigator(std::string_view request_pem,
                                                   std::string_view fleet_id,
                                                   const CertificateAuthority& ca, Store& store,
                                                   absl::Time now, absl::Duration lifetime);

}  // namespace dragnet::scheduler
