// Actions as the scheduler has them, held against the documents that were signed.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "console/client/client.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

// A run of a sweep has the id SWEEP@SECONDS, by which its rows are asked for; its
// document is the sweep's. The sweep's id; of any other action its own.
std::string_view SweepOfRun(std::string_view action_id);

// The payload of an action's envelope, parsed; says nothing about signatures.
absl::StatusOr<v1::Action> DecodeAction(std::string_view envelope_bytes);

// `info` with the name of the signed document. DataLoss if the scheduler gave
// the document of another action than it says.
absl::StatusOr<v1::ActionInfo> CheckedInfo(v1::ActionInfo info);

// A full id, or a unique beginning or end of one. DataLoss if the scheduler
// gives another action than that.
absl::StatusOr<v1::ActionInfo> FindActionById(const std::string& word, Client& client);

}  // namespace dragnet::console
