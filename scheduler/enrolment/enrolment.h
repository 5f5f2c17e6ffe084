// How a host becomes an agent of the fleet: a token for a certificate, later a
// certificate for its successor. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "dragnet/v1/facts.pb.h"
#include "scheduler/enrolment/ca.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

inline constexpr absl::Duration kMaxTokenLifetime = absl::Hours(366 * 24);
inline constexpr uint32_t kMaxTokenUses = 1000000;
// Facts come from a host; this is far above what one has to say.
inline constexpr size_t kMaxFactsBytes = 64 * 1024;

struct NewToken {
  std::string token;
  absl::Time expires;
};

// Makes a token and keeps its hash. InvalidArgument for a lifetime, number of
// uses or labels out of bounds.
absl::StatusOr<NewToken> CreateToken(Store& store, absl::Time now, absl::Duration lifetime,
                                     uint32_t uses,
                                     const std::map<std::string, std::string>& labels);

// Whether facts may be those of this agent. InvalidArgument says what is wrong.
absl::Status CheckFacts(const v1::Facts& facts, std::string_view fleet_id,
                        std::string_view agent_id);

class EnrolmentDesk {
 public:
  // `ca`, `store` and `clock` must outlive this.
  EnrolmentDesk(const CertificateAuthority& ca, Store& store, const Clock& clock,
                std::string fleet_id, absl::Duration certificate_lifetime)
      : ca_(ca),
        store_(store),
        clock_(clock),
        fleet_id_(std::move(fleet_id)),
        certificate_lifetime_(certificate_lifetime) {}

  // Errors as Store::EnrolAgent; InvalidArgument for a bad id, request or facts.
  absl::StatusOr<IssuedCertificate> Enrol(std::string_view token, const std::string& agent_id,
                                          std::string_view csr, v1::Facts facts) const;
  // For an agent whose identity was established by its certificate.
  absl::StatusOr<IssuedCertificate> Renew(const std::string& agent_id, std::string_view csr) const;

 private:
  const CertificateAuthority& ca_;
  Store& store_;
  const Clock& clock_;
  const std::string fleet_id_;
  const absl::Duration certificate_lifetime_;
};

// What the store keeps of a certificate.
StoredCertificate ToStored(const IssuedCertificate& issued, absl::Time now);

}  // namespace dragnet::scheduler
