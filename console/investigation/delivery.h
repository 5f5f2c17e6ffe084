// What happens to an action between "looks right" and "is on its way": its reach,
// the signature, its blobs, the launch. No questions are asked here. Thread-safe:
// no state. Calls may block for as long as the scheduler or the signer takes.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/client/client.h"
#include "core/signer.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/envelope.pb.h"
#include "modules/blobs.h"

namespace dragnet::console {

struct Reach {
  uint64_t agents = 0;
  // Of these, connected now.
  uint64_t online = 0;
};
// InvalidArgument for a target that isn't an expression.
absl::StatusOr<Reach> ReachOf(const std::string& target, Client& client);
// "3 agents, 2 online".
std::string ReachWords(const Reach& reach);

absl::StatusOr<v1::Envelope> SignAction(const v1::Action& action, const Signer& signer);

// What the scheduler doesn't have yet of the action's large values.
absl::Status UploadBlobs(const v1::Action& action, const BlobContents& blobs, Client& client);

// "alice (Ed25519 key 0123456789abcdef…)": whose key signs, for people, before they do.
std::string SignerText(const std::string& name, const Signer& signer);

}  // namespace dragnet::console
