// A sweep as the scheduler has it, held against the document that was signed.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

struct Sweep {
  // As GetSweep gave it, with the name of the signed document.
  v1::GetSweepResponse told;
  v1::Action action;
  // The checks of all its operations, in order. Titles and severities are taken from
  // here and not from hosts.
  std::vector<check::v1::Check> checks;

  // Null for one that isn't in the document.
  const check::v1::Check* Find(std::string_view check) const;
  const v1::SweepInfo& info() const { return told.sweep(); }
};

// `word`: a full id, or a unique beginning or end of one. `runs` and `since` as
// GetSweepRequest has them. DataLoss when the scheduler gives another sweep than
// that, InvalidArgument for an action that is no sweep.
absl::StatusOr<Sweep> FindSweep(const std::string& word, uint32_t runs, absl::Time since,
                                Client& client);

// The newest sweep that `investigator` launched: its id. NotFound.
absl::StatusOr<std::string> LastSweepOf(const std::string& investigator, Client& client);

// The checks of an action's operations; those that can't be read are left out. Where
// several packs have a check of one id, it is called PACK/ID (or OPERATION/ID, from 0),
// as the scheduler does.
std::vector<check::v1::Check> ChecksOf(const v1::Action& action);

// SWEEP@SECONDS: the id of the action whose rows are those of a run.
std::string RunId(std::string_view sweep_id, absl::Time occurrence);

// Whether a check with these newest verdicts is looked at before another one: what fails
// before what is unknown before the rest, each by severity and then by how often.
bool IsWorse(const check::v1::Check& check, const v1::VerdictCounts& counts,
             const check::v1::Check& other, const v1::VerdictCounts& other_counts);

// Whether this entry is no verdict, but says that an agent has none: it took the sweep
// on and never told, or should have taken it on.
bool NeverTold(const v1::SweepVerdict& entry);

// Why, in the scheduler's words if it has any: hostile.
std::string WhyNeverTold(const v1::SweepVerdict& entry);

// 3 for critical to 0 for low and for what is no severity.
int SeverityOrder(std::string_view severity);

}  // namespace dragnet::console
