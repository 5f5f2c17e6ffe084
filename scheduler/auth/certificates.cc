#include "scheduler/auth/certificates.h"

#include <optional>
#include <utility>

#include "core/status_macros.h"

namespace dragnet::scheduler {
namespace {

// More than a fleet has; reached only by certificates that were renewed long ago.
constexpr size_t kMaxKnown = 200000;

}  // namespace

absl::StatusOr<StoredCertificate> CertificateRegistry::Find(const std::string& fingerprint) {
  uint64_t revocations = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (auto found = known_.find(fingerprint); found != known_.end()) return found->second;
    revocations = revocations_;
  }
  DRAGNET_ASSIGN_OR_RETURN(std::optional<StoredCertificate> stored,
                           store_.FindCertificate(fingerprint));
  if (!stored.has_value())
    return absl::UnauthenticatedError("this certificate is not known to the scheduler");
  absl::MutexLock lock(&mutex_);
  if (known_.size() >= kMaxKnown) known_.clear();
  if (revocations == revocations_) known_[fingerprint] = *stored;
  return *std::move(stored);
}

absl::StatusOr<Identity> CertificateRegistry::Identify(const CertificateInfo& certificate) {
  const std::optional<SpiffeId> id = ParseSpiffeId(certificate.spiffe_id);
  if (!id.has_value())
    return absl::UnauthenticatedError("the certificate has no single name spiffe://…");
  if (id->fleet_id != fleet_id_)
    return absl::UnauthenticatedError(StrCat("the certificate is of fleet ", id->fleet_id));
  Identity identity;
  if (id->kind == "agent") {
    identity.kind = Identity::Kind::kAgent;
  } else if (id->kind == "investigator") {
    identity.kind = Identity::Kind::kInvestigator;
  } else {
    return absl::UnauthenticatedError("a scheduler's certificate is not a client's");
  }
  const absl::Time now = clock_.Now();
  if (now > certificate.not_after || now < certificate.not_before)
    return absl::UnauthenticatedError("the certificate has expired or is not valid yet");
  DRAGNET_ASSIGN_OR_RETURN(const StoredCertificate stored, Find(certificate.fingerprint));
  if (stored.revoked) return absl::UnauthenticatedError("the certificate was revoked");
  if (stored.identity != certificate.spiffe_id)
    return absl::UnauthenticatedError("the certificate is known under another name");
  identity.name = id->name;
  identity.uri = certificate.spiffe_id;
  identity.fingerprint = certificate.fingerprint;
  identity.not_after = certificate.not_after;
  return identity;
}

absl::Status CertificateRegistry::CheckStillGood(const Identity& identity) {
  if (clock_.Now() > identity.not_after)
    return absl::UnauthenticatedError("the certificate has expired");
  DRAGNET_ASSIGN_OR_RETURN(const StoredCertificate stored, Find(identity.fingerprint));
  if (stored.revoked) return absl::UnauthenticatedError("the certificate was revoked");
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> CertificateRegistry::Revoke(std::string_view identity) {
  DRAGNET_ASSIGN_OR_RETURN(const uint32_t revoked, store_.RevokeIdentity(identity));
  absl::MutexLock lock(&mutex_);
  ++revocations_;
  for (auto& [fingerprint, certificate] : known_)
    if (certificate.identity == identity) certificate.revoked = true;
  return revoked;
}

// Not marked, but forgotten: a person may have been given a new one since.
void CertificateRegistry::OnRevoked(std::string_view identity) {
  absl::MutexLock lock(&mutex_);
  ++revocations_;
  absl::erase_if(known_, [&](const auto& entry) { return entry.second.identity == identity; });
}

}  // namespace dragnet::scheduler
