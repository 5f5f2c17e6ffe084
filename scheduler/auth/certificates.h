// From a certificate to an identity: this fleet's, known to the store, neither
// expired nor revoked. That the CA issued it, TLS has checked before.
// Thread-safe; keeps what it has looked up, so that an RPC costs no query.
#pragma once

#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/certificate.h"
#include "core/clock.h"
#include "scheduler/auth/identity.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

class CertificateRegistry {
 public:
  CertificateRegistry(Store& store, const Clock& clock, std::string fleet_id)
      : store_(store), clock_(clock), fleet_id_(std::move(fleet_id)) {}

  // Unauthenticated says why not.
  absl::StatusOr<Identity> Identify(const CertificateInfo& certificate);

  // Whether an identity that Identify gave still stands.
  absl::Status CheckStillGood(const Identity& identity);

  // From when this returns on, Identify refuses all certificates of `identity`.
  // As Store::RevokeIdentity.
  absl::StatusOr<uint32_t> Revoke(std::string_view identity);

  // Another scheduler has revoked it: what is known of it here is read anew.
  void OnRevoked(std::string_view identity);

 private:
  absl::StatusOr<StoredCertificate> Find(const std::string& fingerprint);

  Store& store_;
  const Clock& clock_;
  const std::string fleet_id_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, StoredCertificate> known_ ABSL_GUARDED_BY(mutex_);
  // Changes with every revocation: what was read before one isn't kept.
  uint64_t revocations_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace dragnet::scheduler
