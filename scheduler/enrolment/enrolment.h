// How a host becomes an agent of the fleet: a token for a certificate, later a
// certificate for its successor. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "dragnet/v1/facts.pb.h"
#include "scheduler/enrolment/ca.h"
#include "scheduler/enrolment/issuing_ca.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

inline constexpr absl::Duration kMaxTokenLifetime = absl::Hours(366 * 24);
inline constexpr uint32_t kMaxTokenUses = 1000000;
// Facts come from a host; this is far above what one has to say.
inline constexpr size_t kMaxFactsBytes = 64 * 1024;
inline constexpr size_t kMaxTokenText = 256;

// What an enrolment token is good for.
struct TokenTerms {
  // 1 second to kMaxTokenLifetime.
  absl::Duration lifetime = absl::Hours(1);
  // Hosts: 1 to kMaxTokenUses.
  uint32_t uses = 1;
  // For the hosts that enrol with it; at most 64, names and values of at most 256 bytes.
  std::map<std::string, std::string> labels{};
  // For people; at most 200 bytes.
  std::string note{};
  // In CIDR notation, at most 64; none: from anywhere.
  std::vector<std::string> networks{};
  bool needs_approval = false;
  // A known agent; then it has one use.
  std::string replaces_agent_id{};
};

struct NewToken {
  std::string token;
  // TokenId of it.
  std::string id;
  absl::Time expires;
};

// Makes a token and keeps its hash. `created_by` is for people. InvalidArgument for terms
// out of bounds; NotFound for a replaced agent that isn't known.
absl::StatusOr<NewToken> CreateToken(Store& store, absl::Time now, const TokenTerms& terms,
                                     std::string_view created_by);

// Whether facts may be those of this agent. InvalidArgument says what is wrong.
absl::Status CheckFacts(const v1::Facts& facts, std::string_view fleet_id,
                        std::string_view agent_id);

struct Enrolled : IssuedCertificate {
  // The token that it came with.
  std::string token_id;
  // The agent whose place it took, and which is revoked in the store; empty: none.
  std::string replaced_agent_id;
};

// Where hosts ask. Blocks.
class EnrolmentCalls {
 public:
  virtual ~EnrolmentCalls() = default;
  // `peer` is who asks, as gRPC names it. Errors as Store::EnrolAgent and AskToEnrol;
  // InvalidArgument for a bad id, request or facts; PermissionDenied also: not in the
  // token's networks, or denied; Unavailable: an operator has yet to let it in.
  virtual absl::StatusOr<Enrolled> Enrol(std::string_view token, const std::string& agent_id,
                                         std::string_view csr, v1::Facts facts,
                                         std::string_view peer) const = 0;
  // For an agent whose identity was established by its certificate.
  virtual absl::StatusOr<IssuedCertificate> Renew(const std::string& agent_id,
                                                  std::string_view csr) const = 0;
};

// With the CA's key. Without it, both are Unimplemented: another scheduler has it.
class EnrolmentDesk final : public EnrolmentCalls {
 public:
  // All references must outlive this.
  EnrolmentDesk(const IssuingCa& ca, Store& store, const Clock& clock, std::string fleet_id,
                absl::Duration certificate_lifetime)
      : ca_(ca),
        store_(store),
        clock_(clock),
        fleet_id_(std::move(fleet_id)),
        certificate_lifetime_(certificate_lifetime) {}

  absl::StatusOr<Enrolled> Enrol(std::string_view token, const std::string& agent_id,
                                 std::string_view csr, v1::Facts facts,
                                 std::string_view peer) const override;
  absl::StatusOr<IssuedCertificate> Renew(const std::string& agent_id,
                                          std::string_view csr) const override;

 private:
  // OK: an operator let it in.
  absl::Status AskOperator(const StoredToken& token, const std::string& agent_id,
                           const PublicKey& key, const v1::Facts& facts,
                           std::string_view peer) const;
  // The agent that this token replaces, if it did.
  absl::StatusOr<std::string> ReplacedBy(const StoredToken& token,
                                         const std::string& agent_id) const;

  const IssuingCa& ca_;
  Store& store_;
  const Clock& clock_;
  const std::string fleet_id_;
  const absl::Duration certificate_lifetime_;
};

// What the store keeps of a certificate.
StoredCertificate ToStored(const IssuedCertificate& issued, absl::Time now);

}  // namespace dragnet::scheduler
