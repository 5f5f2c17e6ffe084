// Leaving the fleet for good: the marks in the state directory that say how far this
// host is, and the destruction of what this agent made, and of nothing else.
//
//   retiring   ordered, and durable before anything is destroyed. The answer has yet to
//              reach a scheduler, by the identity that goes last.
//   retired    it was answered. The identity is destroyed, at each start what is left of
//              it, and the agent doesn't run here until a person removes this mark.
//
// Files are unlinked by name in directories that were opened without following a link;
// what they hold is neither read, overwritten nor executed. Overwriting would promise
// what flash memory and copying file systems don't keep.
//
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/monitor/agent_config.h"
#include "modules/retire/retire.pb.h"

namespace dragnet {

inline constexpr std::string_view kRetireModule = "retire";
// Of `dragnet-agent run` on a host that was retired: who supervises it must not start
// it again (RestartPreventExitStatus= of systemd.service(5)).
inline constexpr int kExitRetired = 5;

struct RetirementMark {
  absl::Time at = {};
  // Those who signed, e.g. "alice, bob".
  std::string by = {};
  std::string action_id = {};
  uint32_t operation = 0;
  // For people; may be empty.
  std::string reason = {};

  std::string ToText() const;
  // InvalidArgument for what ToText didn't write.
  static absl::StatusOr<RetirementMark> FromText(std::string_view text);
};

// Where this agent has put what it made.
struct RetirementPlaces {
  std::string state_directory;
  std::string release_directory;
  // Empty: none is configured.
  std::string enrolment_token_file;
  // The programs that run: what is needed until the identity goes.
  std::string program_directory;
};
RetirementPlaces PlacesOf(const AgentConfig& config);

// The mark `retiring`. Nothing when there is none; an error when it can't be read, which
// a person must look at.
absl::StatusOr<std::optional<RetirementMark>> LoadRetiring(const std::string& state_directory);
// Writes it. Durable when it returns OK.
absl::Status BeginRetirement(const std::string& state_directory, const RetirementMark& mark);
// Removes the mark: it was another identity's.
absl::Status ForgetRetiring(const std::string& state_directory);
// `retiring` becomes `retired`: durable when it returns OK.
absl::Status CompleteRetirement(const std::string& state_directory);

// Destroys what isn't needed to answer: blobs, releases but the one that runs, the
// enrolment token. A row for each thing, those that follow included. Again: what is gone
// is absent.
std::vector<retire::v1::RetireRow> DestroyBelongings(const RetirementPlaces& places);

// For a host that was retired: destroys all that is left, the identity first, and gives
// what to tell who started the agent. Nothing when there is no mark `retired`. No other
// process may have the state open.
std::optional<std::string> FinishRetirement(const RetirementPlaces& places);

// Unlinks the keys and certificates in the link's directory, which is another user's: what
// that has put there beside them doesn't hold it up. An error: a key or a certificate is
// still there.
absl::Status RemoveTlsIdentity(const std::string& state_directory);

}  // namespace dragnet
