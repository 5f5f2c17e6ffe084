#include "console/tui/views/sweep_data.h"

#include <algorithm>
#include <utility>

#include "console/form/describe.h"
#include "console/form/describe_checks.h"
#include "console/investigation/verification.h"
#include "console/output/cell.h"
#include "console/sweeps/score.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

constexpr uint32_t kRuns = 100;
constexpr size_t kMostShown = 100;

std::vector<SweepCheckRow> ChecksFrom(const Sweep& sweep) {
  std::vector<SweepCheckRow> rows;
  for (const check::v1::Check& check : sweep.checks) {
    SweepCheckRow row;
    row.check = check;
    for (const auto& told : sweep.told.checks())
      if (told.check() == check.id()) row.verdicts = told.verdicts();
    for (const auto& trend : sweep.told.trends())
      if (trend.check() == check.id())
        for (auto counts = trend.verdicts().rbegin(); counts != trend.verdicts().rend(); ++counts)
          row.trend.push_back(ScoreOf(*counts));
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const SweepCheckRow& a, const SweepCheckRow& b) {
    return IsWorse(a.check, a.verdicts, b.check, b.verdicts);
  });
  return rows;
}

}  // namespace

absl::StatusOr<SweepOverview> FetchOverview(const std::string& sweep_id, Client& client,
                                            const TrustPolicy* policy, const ModuleCatalog& modules,
                                            absl::Time now) {
  SweepOverview overview;
  DRAGNET_ASSIGN_OR_RETURN(overview.sweep,
                           FindSweep(sweep_id, kRuns, absl::InfinitePast(), client));
  if (overview.sweep.action.id() != sweep_id)
    return absl::DataLossError("the scheduler gave another sweep: don't trust this scheduler");
  const v1::ActionInfo& info = overview.sweep.info().action();
  overview.signature = ActionRowOf(info, policy, modules, now);
  overview.checks = ChecksFrom(overview.sweep);
  overview.document = DescribeAction(overview.sweep.action, {}, modules);
  if (policy != nullptr) {
    const auto verification = VerifyAction(info.envelope(), *policy, modules, now);
    StrAppend(&overview.document, "\n",
              verification.ok() ? DescribeVerification(*verification, *policy)
                                : ForTerminal(ToStd(verification.status().message())));
  }
  return overview;
}

absl::StatusOr<SweepHosts> FetchHosts(const Sweep& sweep, Client& client,
                                      const std::function<bool()>& stop) {
  SweepHosts hosts;
  SweepTally tally(sweep, {});
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.action.id());
  uint64_t read = 0;
  const absl::Status status = ReadVerdicts(
      request, client,
      [&] {
        hosts.cut = read >= kMostVerdicts;
        return hosts.cut || stop();
      },
      [&](const v1::SweepVerdict& verdict) {
        ++read;
        tally.Add(verdict);
      });
  if (!status.ok() && !hosts.cut) return status;
  tally.Finish();
  hosts.hosts = tally.hosts();
  return hosts;
}

absl::StatusOr<SweepDrift> FetchDrift(const Sweep& sweep, Client& client) {
  SweepDrift drift;
  drift.since = RunBeforeLast(sweep);
  DRAGNET_ASSIGN_OR_RETURN(const auto changes,
                           ReadChanges(sweep.action.id(), drift.since, client, &drift.cut));
  DRAGNET_ASSIGN_OR_RETURN(const auto one_check, ReadOneCheck(sweep, client));
  drift.entries = DriftOf(sweep, changes, one_check, drift.since);
  return drift;
}

absl::StatusOr<std::string> FetchCheckText(const Sweep& sweep, const std::string& check_id,
                                           Client& client, const std::function<bool()>& stop) {
  const check::v1::Check* check = sweep.Find(check_id);
  if (check == nullptr) return absl::NotFoundError("the sweep has no such check");
  std::string text = StrCat(ForTerminal(check->title()), "\n\n");
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) StrAppend(&text, name, ": ", ForTerminal(value), "\n");
  };
  add("severity", check->severity());
  add("module", check->module());
  add("passes when", ExpectationWords(check->expectation()));
  add("applies when", check->applies_when());
  for (const std::string& reference : check->references()) add("reference", reference);
  add("remediation", check->remediation());
  text.append("\nHosts that don't pass:\n");
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.action.id());
  request.add_checks(check_id);
  for (const char* status : {"fail", "unknown"}) request.add_statuses(status);
  size_t shown = 0;
  const absl::Status status = ReadVerdicts(
      request, client, [&] { return shown >= kMostShown || stop(); },
      [&](const v1::SweepVerdict& verdict) {
        ++shown;
        if (NeverTold(verdict)) {
          StrAppend(&text, "\nsilent  ", ForTerminal(verdict.agent_name()), "\n  ",
                    ForTerminal(WhyNeverTold(verdict)), "\n");
          return;
        }
        const auto since = ToTime(verdict.since());
        StrAppend(&text, "\n", WordOf(VerdictStatusOf(verdict.status())), "  ",
                  ForTerminal(verdict.agent_name()),
                  since.ok() ? StrCat("  since ", LocalTime(*since)) : "",
                  verdict.silent() ? "  (silent)" : "", "\n  ", ForTerminal(verdict.reason()),
                  "\n");
        for (const std::string& evidence : verdict.evidence())
          StrAppend(&text, "    ", ForTerminal(evidence), "\n");
        if (verdict.evidence_left_out() > 0)
          StrAppend(&text, "    … and ", verdict.evidence_left_out(), " more\n");
      });
  if (shown >= kMostShown) {
    StrAppend(&text, "\nThese are the first ", shown, ": dragnet sweep show ", sweep.action.id(),
              " --failed --check ", ForTerminal(check_id), "\n");
  } else {
    DRAGNET_RETURN_IF_ERROR(status);
  }
  if (shown == 0) text.append("\n  none\n");
  return text;
}

}  // namespace dragnet::console::tui
