// Which actions take agents out of the fleet (module `retire`), and whether one did.
// Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

inline constexpr char kRetireModule[] = "retire";

// The operations of an action that retire this agent: of the module `retire`, with the
// agent's id among the parameters. `action` as it was launched: its signatures were
// verified then. A sweep retires no one. InvalidArgument: not an action.
absl::StatusOr<std::vector<uint32_t>> OperationsThatRetire(const StoredAction& action,
                                                           std::string_view agent_id);

// One of these operations has ended on the agent, and completed.
bool HasRetired(const Pair& pair, const std::vector<uint32_t>& operations);

// Whether a record may be news about that: cheap, for every record.
bool MayEndRetirement(const v1::ResultRecord& record);

}  // namespace dragnet::scheduler
