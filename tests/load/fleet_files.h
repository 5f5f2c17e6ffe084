// What a swarm knows of the fleet it plays: the directory that `dragnet-scheduler
// init` made, and who its agents are.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/keys.h"
#include "core/trust_policy.h"
#include "dragnet/v1/facts.pb.h"
#include "tests/load/swarm.pb.h"

namespace dragnet::load {

struct FleetFiles {
  std::string directory;
  std::string fleet_id;
  // host:port, the first that agent.toml names.
  std::string scheduler;
  std::string ca_pem;
  RootSet roots;
};

absl::StatusOr<FleetFiles> LoadFleet(const std::string& directory);

// Identities by index. An empty map when there is no such file.
absl::StatusOr<std::map<uint32_t, Identity>> LoadIdentities(const std::string& path);
// Appends; the file is made with mode 0600.
absl::Status SaveIdentities(const std::string& path, const std::vector<Identity>& identities);

// A new id and key, without a certificate, and the request for one.
struct NewIdentity {
  Identity identity;
  std::string signing_request;
};
absl::StatusOr<NewIdentity> DrawIdentity(uint32_t index);
// The first certificate of a PEM text, as DER.
absl::StatusOr<std::string> CertificateDer(const std::string& pem);

// Facts of agent number `index`: the same for the same seed. Several
// distributions, versions, environments and tags, in uneven shares.
v1::Facts FactsOf(uint64_t seed, uint32_t index, const std::string& fleet_id,
                  const std::string& agent_id);

// Makes identities `from` to `from + count` where there are none: issued by the
// fleet's CA and enrolled in the scheduler's store by its own code, which takes
// that no scheduler runs on it. For fleets too large to enrol over the network.
absl::Status PrepareIdentities(const FleetFiles& fleet, const std::string& identities_path,
                               uint64_t seed, uint32_t from, uint32_t count);

}  // namespace dragnet::load
