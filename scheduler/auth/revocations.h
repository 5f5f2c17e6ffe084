// Takes an identity out of the fleet: its certificates, the targets that it is in, its
// open streams. The one way to do so, whoever wants it. Thread-safe; all calls block.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "scheduler/auth/certificates.h"
#include "scheduler/auth/open_streams.h"
#include "scheduler/dispatch/agents.h"

namespace dragnet::scheduler {

class Revocations {
 public:
  // All must outlive this.
  Revocations(CertificateRegistry& certificates, Agents& agents, OpenStreams& streams,
              std::string fleet_id)
      : certificates_(certificates),
        agents_(agents),
        streams_(streams),
        fleet_id_(std::move(fleet_id)) {}

  struct Revoked {
    // Those that weren't revoked before.
    uint32_t certificates = 0;
    uint32_t streams = 0;
  };

  // From when these return on, no certificate of it is taken any more. Again changes
  // nothing. NotFound: an identity without any. InvalidArgument: not a UUID, not a name.
  absl::StatusOr<Revoked> RevokeAgent(const std::string& agent_id, Closing closing = Closing::kNow);
  absl::StatusOr<Revoked> RevokeInvestigator(const std::string& name);

  // Another scheduler has revoked `uri` (spiffe://…) in the store. Of an agent that has
  // retired, what is on its way to it still reaches it. Gives how many streams it closed;
  // doesn't block.
  uint32_t OnRevoked(const std::string& uri);

 private:
  absl::StatusOr<Revoked> Revoke(const std::string& kind, const std::string& name, Closing closing);

  CertificateRegistry& certificates_;
  Agents& agents_;
  OpenStreams& streams_;
  const std::string fleet_id_;
};

}  // namespace dragnet::scheduler
