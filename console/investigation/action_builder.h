// Makes the action that will be signed, out of what a person asked for.
// Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/form/module_catalog.h"
#include "dragnet/v1/action.pb.h"
#include "google/protobuf/message.h"
#include "modules/blobs.h"

namespace dragnet::console {

// An action is valid from this long before it was signed, so that agents whose
// clocks are a little behind obey at once.
inline constexpr absl::Duration kClockSkew = absl::Minutes(1);
inline constexpr absl::Duration kDefaultLifetime = absl::Minutes(5);

// Fills in what is absent: id, fleet, not_before (now less kClockSkew), expires
// (now plus `lifetime`, or kDefaultLifetime), name (from the modules). Then
// checks the whole: bounds, target, and each operation's parameters, with the
// `blobs` that they name, by its module. FailedPrecondition for an action of another fleet.
absl::Status CompleteAction(std::string_view fleet_id, absl::Time now,
                            std::optional<absl::Duration> lifetime, const ModuleCatalog& modules,
                            const BlobContents& blobs, v1::Action* action);

// Reads `action.json`: the JSON form of Action, but with each operation's
// `parameters` as a JSON object of its module's parameter message:
//   {"name": "…", "target": "os='linux'",
//    "operations": [{"module": "file", "parameters": {"searches": [{"paths": ["/etc"]}]}}]}
// Strict: an unknown key is InvalidArgument, with where it is.
// Large values go to `blobs`.
absl::StatusOr<v1::Action> ActionFromJson(std::string_view json, const ModuleCatalog& modules,
                                          BlobContents* blobs);

// Sets an operation's parameters; large values go to `blobs`.
absl::Status SetParameters(google::protobuf::Message* parameters, v1::Operation* operation,
                           BlobContents* blobs);

// The same form, of an action whose modules are known; operations of others
// keep their parameters as base64 text. One line.
std::string ActionToJson(const v1::Action& action, const ModuleCatalog& modules);

// Words as one would type them to a shell, in one line.
std::string ShellLine(const std::vector<std::string>& words);

}  // namespace dragnet::console
