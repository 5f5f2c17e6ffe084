#include "console/sweeps/sweep.h"

#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "console/investigation/lookup.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/weights.h"

namespace dragnet::console {

const check::v1::Check* Sweep::Find(std::string_view check) const {
  for (const check::v1::Check& known : checks)
    if (known.id() == check) return &known;
  return nullptr;
}

std::vector<check::v1::Check> ChecksOf(const v1::Action& action) {
  struct Found {
    check::v1::Check check;
    std::string pack;
    int operation;
  };
  std::vector<Found> found;
  std::map<std::string, int> ids;
  std::map<std::string, int> in_packs;
  for (int i = 0; i < action.operations_size(); ++i) {
    if (action.operations(i).module() != kCheckModule) continue;
    check::v1::CheckParameters pack;
    if (!ParseStrict(action.operations(i).parameters(), kMaxParameterBytes, &pack).ok()) continue;
    for (check::v1::Check& check : *pack.mutable_checks()) {
      ++ids[check.id()];
      ++in_packs[StrCat(pack.pack(), "/", check.id())];
      found.push_back({std::move(check), pack.pack(), i});
    }
  }
  std::vector<check::v1::Check> checks;
  for (Found& one : found) {
    const std::string in_pack = StrCat(one.pack, "/", one.check.id());
    if (ids[one.check.id()] > 1)
      one.check.set_id(in_packs[in_pack] > 1 ? StrCat(one.operation, "/", one.check.id())
                                             : in_pack);
    checks.push_back(std::move(one.check));
  }
  return checks;
}

absl::StatusOr<Sweep> FindSweep(const std::string& word, uint32_t runs, absl::Time since,
                                Client& client) {
  const std::string id = absl::AsciiStrToLower(word);
  if (id.empty()) return absl::InvalidArgumentError("sweep: an empty id (see dragnet sweep list)");
  v1::GetSweepRequest request;
  request.set_action_id(id);
  request.set_runs(runs);
  if (since != absl::InfinitePast()) *request.mutable_since() = ToTimestamp(since);
  Sweep sweep;
  DRAGNET_ASSIGN_OR_RETURN(sweep.told, client.GetSweep(request));
  v1::ActionInfo* info = sweep.told.mutable_sweep()->mutable_action();
  DRAGNET_ASSIGN_OR_RETURN(*info, CheckedInfo(std::move(*info)));
  if (!info->action_id().starts_with(id) && !info->action_id().ends_with(id)) {
    return absl::DataLossError(StrCat("sweep ", ForTerminal(word), ": the scheduler gave another, ",
                                      ForTerminal(info->action_id()),
                                      ": don't trust this scheduler"));
  }
  DRAGNET_ASSIGN_OR_RETURN(sweep.action, DecodeAction(info->envelope()));
  if (!sweep.action.has_recurrence()) {
    return absl::InvalidArgumentError(StrCat("sweep ", ForTerminal(word), ": ",
                                             ForTerminal(sweep.action.name()),
                                             " is an action without a schedule, no sweep"));
  }
  sweep.checks = ChecksOf(sweep.action);
  return sweep;
}

absl::StatusOr<std::string> LastSweepOf(const std::string& investigator, Client& client) {
  v1::ListSweepsRequest request;
  request.set_with_ended(true);
  DRAGNET_ASSIGN_OR_RETURN(const v1::ListSweepsResponse response, client.ListSweeps(request));
  for (const v1::SweepInfo& sweep : response.sweeps())
    if (sweep.action().launched_by() == investigator) return sweep.action().action_id();
  return absl::NotFoundError(
      StrCat("sweep last: ", investigator, " launched none (see dragnet sweep list --all)"));
}

std::string RunId(std::string_view sweep_id, absl::Time occurrence) {
  return StrCat(sweep_id, "@", absl::ToUnixSeconds(occurrence));
}

bool IsWorse(const check::v1::Check& check, const v1::VerdictCounts& counts,
             const check::v1::Check& other, const v1::VerdictCounts& other_counts) {
  const auto key = [](const check::v1::Check& one, const v1::VerdictCounts& its) {
    return std::tuple(its.failed() > 0, its.unknown() > 0 || its.failed() > 0,
                      SeverityOrder(one.severity()), its.failed(), its.unknown());
  };
  return key(check, counts) > key(other, other_counts);
}

bool NeverTold(const v1::SweepVerdict& entry) { return entry.check().empty(); }

std::string WhyNeverTold(const v1::SweepVerdict& entry) {
  return entry.reason().empty() ? "it has told no verdict yet" : entry.reason();
}

int SeverityOrder(std::string_view severity) {
  if (severity == "critical") return 3;
  if (severity == "high") return 2;
  return severity == "medium" ? 1 : 0;
}

}  // namespace dragnet::console
