#include "scheduler/dispatch/retirement.h"

#include <algorithm>

#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "modules/retire/retire.pb.h"

namespace dragnet::scheduler {

absl::StatusOr<std::vector<uint32_t>> OperationsThatRetire(const StoredAction& action,
                                                           std::string_view agent_id) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(action.envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action parsed, ParseAction(envelope.payload()));
  std::vector<uint32_t> operations;
  if (parsed.has_recurrence()) return operations;
  for (int i = 0; i < parsed.operations_size(); ++i) {
    const v1::Operation& operation = parsed.operations(i);
    if (operation.module() != kRetireModule) continue;
    retire::v1::RetireParameters parameters;
    // Agents refuse it, so it has retired nobody.
    if (!parameters.ParseFromString(operation.parameters())) continue;
    const auto& ids = parameters.agent_ids();
    if (std::find(ids.begin(), ids.end(), agent_id) != ids.end())
      operations.push_back(static_cast<uint32_t>(i));
  }
  return operations;
}

bool HasRetired(const Pair& pair, const std::vector<uint32_t>& operations) {
  return std::any_of(operations.begin(), operations.end(), [&](uint32_t operation) {
    if (operation >= pair.operations.size()) return false;
    const std::optional<v1::OperationSummary>& summary = pair.operations[operation].summary;
    return summary.has_value() && summary->termination() == v1::TERMINATION_COMPLETED;
  });
}

bool MayEndRetirement(const v1::ResultRecord& record) {
  return record.has_summary() && record.occurrence() == 0 &&
         record.summary().termination() == v1::TERMINATION_COMPLETED;
}

}  // namespace dragnet::scheduler
