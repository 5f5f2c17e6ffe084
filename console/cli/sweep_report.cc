// `dragnet sweep report`: a page, or the verdicts for other programs.
#include <unistd.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "absl/strings/str_join.h"
#include "console/cli/exit_status.h"
#include "console/cli/interrupt.h"
#include "console/cli/sweep.h"
#include "console/cli/sweep_sarif.h"
#include "console/form/describe.h"
#include "console/form/recurrence.h"
#include "console/investigation/action_builder.h"
#include "console/investigation/verification.h"
#include "console/output/json.h"
#include "console/report/sweep_page.h"
#include "console/sweeps/groups.h"
#include "console/sweeps/junit.h"
#include "console/sweeps/score.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet::console {
namespace {

constexpr uint32_t kMostRuns = 1000;
constexpr size_t kMostFindings = 10;
constexpr size_t kMostHosts = 25;
constexpr size_t kMostSilent = 100;
// Columns that a page has room for.
constexpr size_t kMostColumns = 12;

std::string TimeText(absl::Time time) {
  if (time == absl::InfinitePast()) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
}

std::string TimeText(const google::protobuf::Timestamp& timestamp) {
  return TimeText(ToTime(timestamp).value_or(absl::InfinitePast()));
}

// What failed or is unknown, the first of each check.
class Findings {
 public:
  void Add(const v1::SweepVerdict& verdict) {
    const VerdictStatus status = VerdictStatusOf(verdict.status());
    if (status != VerdictStatus::kFail && status != VerdictStatus::kUnknown) return;
    // Failures push out what is only unknown.
    std::vector<SweepReport::Finding>& kept =
        (status == VerdictStatus::kFail ? failed_ : unknown_)[verdict.check()];
    if (kept.size() >= kMostFindings) return;
    kept.push_back({.host = verdict.agent_name(),
                    .status = std::string(WordOf(status)),
                    .since = TimeText(verdict.since()),
                    .reason = verdict.reason(),
                    .evidence = {verdict.evidence().begin(), verdict.evidence().end()},
                    .evidence_left_out = verdict.evidence_left_out()});
  }

  std::vector<SweepReport::Finding> Of(const std::string& check) {
    std::vector<SweepReport::Finding> all = std::move(failed_[check]);
    for (SweepReport::Finding& finding : unknown_[check])
      if (all.size() < kMostFindings) all.push_back(std::move(finding));
    return all;
  }

 private:
  std::map<std::string, std::vector<SweepReport::Finding>> failed_;
  std::map<std::string, std::vector<SweepReport::Finding>> unknown_;
};

absl::Status AddDocument(const SignedSweep& found, Session& session, SweepReport* report) {
  const Sweep& sweep = found.sweep;
  const ActionVerification& verification = found.verification;
  DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
  // Orders are in the answer for one action only.
  v1::ActionInfo info = sweep.info().action();
  if (const auto whole = session.FindAction(sweep.action.id()); whole.ok()) info = *whole;
  const v1::SweepInfo& told = sweep.info();
  report->title = sweep.action.name();
  report->facts = {
      {"Target", sweep.action.target() == "true" ? "every agent" : sweep.action.target()},
      {"Recurs", RecurrenceWords(sweep.action.recurrence())},
      {"Last run", told.has_last() ? TimeText(told.last().occurrence()) : "none yet"},
      {"Next run", told.has_next() ? TimeText(told.next()) : "none"},
      {"Until", TimeText(sweep.action.expires())},
      {"Signed by", absl::StrJoin(verification.signers, ", ")},
      {"Hosts", StrCat(told.agents_with_it(), " that took it on, ", told.agents_without_it(),
                       " that haven't")},
      {"Id", sweep.action.id()},
      {"Fleet", sweep.action.fleet_id()},
  };
  v1::Envelope envelope;
  if (!envelope.ParseFromString(sweep.info().action().envelope()))
    return absl::DataLossError("the stored envelope can't be read");
  report->document = {
      .document = DescribeAction(sweep.action, {}, session.modules()),
      .document_json = IndentJson(ActionToJson(sweep.action, session.modules())),
      .envelope_json = IndentJson(MessageToJson(envelope)),
      .signatures = DescribeVerification(verification, *policy),
      .orders = DescribeOrders(info.orders(), sweep.action, *policy, session.modules()),
      .authorized = verification.authorized()};
  report->show_command = StrCat("dragnet sweep show ", sweep.action.id());
  report->made =
      StrCat(absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", session.now(), absl::UTCTimeZone()),
             " by dragnet ", kVersion);
  return absl::OkStatus();
}

// The largest groups; what there is no room for is left out, and that is said.
std::vector<const SweepTally::Group*> ShownGroups(const SweepTally& tally, SweepReport* report) {
  std::vector<const SweepTally::Group*> groups;
  for (const SweepTally::Group& group : tally.groups()) groups.push_back(&group);
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto* a, const auto* b) { return AllOf(a->hosts) > AllOf(b->hosts); });
  if (groups.size() > kMostColumns) {
    report->warnings.push_back(StrCat("Of ", groups.size(), " groups the ", kMostColumns,
                                      " with the most hosts are in the table of checks."));
    groups.resize(kMostColumns);
  }
  for (const SweepTally::Group* group : groups)
    report->groups.push_back(StrCat(group->name, " (", AllOf(group->hosts), ")"));
  return groups;
}

void AddChecks(const Sweep& sweep, const SweepTally& tally, Findings& findings,
               SweepReport* report) {
  const std::vector<const SweepTally::Group*> groups = ShownGroups(tally, report);
  std::vector<size_t> order(sweep.checks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return IsWorse(sweep.checks[a], tally.checks()[a], sweep.checks[b], tally.checks()[b]);
  });
  for (const size_t i : order) {
    const check::v1::Check& check = sweep.checks[i];
    SweepReport::Check shown = {
        .id = check.id(),
        .title = check.title(),
        .severity = check.severity(),
        .remediation = check.remediation(),
        .references = {check.references().begin(), check.references().end()},
        .verdicts = tally.checks()[i],
        .by_group = {},
        .findings = findings.Of(check.id())};
    for (const SweepTally::Group* group : groups) shown.by_group.push_back(group->checks[i]);
    report->checks.push_back(std::move(shown));
  }
}

// `in_all`: silent ones by the scheduler's own count, which may be more than it named.
void AddHosts(const SweepTally& tally, uint64_t in_all, SweepReport* report) {
  for (const SweepTally::Host& host : tally.hosts()) {
    const SweepReport::Host shown = {host.name, host.verdicts, TimeText(host.told)};
    const VerdictStatus worst = WorstOf(host.verdicts);
    if (worst == VerdictStatus::kFail || worst == VerdictStatus::kUnknown) {
      ++report->not_passing;
      if (report->worst.size() < kMostHosts) report->worst.push_back(shown);
    }
    if (host.silent) {
      ++report->silent_in_all;
      if (report->silent.size() < kMostSilent) report->silent.push_back(shown);
    }
  }
  report->silent_in_all = std::max(report->silent_in_all, in_all);
}

absl::Status WritePage(const SweepFlags& flags, const SweepReport& report, Io& io) {
  const std::string page = RenderSweepReport(report);
  const absl::Status written = flags.force ? WriteFileAtomically(*flags.html, page, 0644)
                                           : WriteNewFile(*flags.html, page, 0644);
  if (absl::IsAlreadyExists(written)) {
    return absl::AlreadyExistsError(
        StrCat(*flags.html, ": exists already: give another name, or --force to replace it"));
  }
  DRAGNET_RETURN_IF_ERROR(written);
  io.Say(StrCat("Written: ", ForTerminal(*flags.html), " (", page.size() / 1024, " KiB)"));
  for (const std::string& warning : report.warnings) io.Say(ForTerminal(warning));
  return absl::OkStatus();
}

absl::StatusOr<int> ReportAsPage(const SweepFlags& flags, Session& session) {
  DRAGNET_RETURN_IF_ERROR(Annotate(ValidateGrouping(flags.report_by), "--by"));
  // Not after a minute of reading.
  if (!flags.force && ::access(flags.html->c_str(), F_OK) == 0) {
    return absl::AlreadyExistsError(
        StrCat(*flags.html, ": exists already: give another name, or --force to replace it"));
  }
  DRAGNET_ASSIGN_OR_RETURN(const SignedSweep found,
                           FindSignedSweep(flags.sweep, kMostRuns, session));
  const Sweep& sweep = found.sweep;
  SweepReport report;
  DRAGNET_RETURN_IF_ERROR(AddDocument(found, session, &report));
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  DRAGNET_ASSIGN_OR_RETURN(auto groups, GroupsOf(flags.report_by, *client));
  SweepTally tally(sweep, std::move(groups));
  Findings findings;
  const Interrupt interrupt;
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.action.id());
  DRAGNET_RETURN_IF_ERROR(ReadVerdicts(
      request, *client, [&] { return interrupt.raised(); },
      [&](const v1::SweepVerdict& verdict) {
        if (tally.Add(verdict) && !NeverTold(verdict)) findings.Add(verdict);
      }));
  tally.Finish();
  report.grouped_by = flags.report_by;
  report.verdicts = tally.verdicts();
  report.hosts = tally.HostCounts();
  if (tally.strangers() > 0)
    report.warnings.push_back(StrCat(tally.strangers(),
                                     " verdicts are about checks that aren't in the signed "
                                     "document: they are in no count."));
  for (auto run = sweep.told.runs().rbegin(); run != sweep.told.runs().rend(); ++run)
    if (const auto time = ToTime(run->occurrence()); time.ok())
      report.runs.push_back({*time, run->verdicts()});
  AddChecks(sweep, tally, findings, &report);
  const v1::SweepInfo& told = sweep.info();
  AddHosts(tally, told.agents_silent() + told.agents_without_it(), &report);
  DRAGNET_RETURN_IF_ERROR(WritePage(flags, report, session.io()));
  return SweepExitStatus(found, report.verdicts, report.silent_in_all);
}

// As build servers and code scanning take it: gives every verdict to `add`, then calls
// `finish` with the exit status.
template <typename Add, typename Finish>
absl::StatusOr<int> TellEachVerdict(const SignedSweep& found, Session& session, const Add& add,
                                    const Finish& finish) {
  const Sweep& sweep = found.sweep;
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  v1::VerdictCounts counts;
  uint64_t silent = 0;
  const Interrupt interrupt;
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.action.id());
  DRAGNET_RETURN_IF_ERROR(ReadVerdicts(
      request, *client, [&] { return interrupt.raised(); },
      [&](const v1::SweepVerdict& verdict) {
        const bool is_verdict = sweep.Find(verdict.check()) != nullptr;
        if (is_verdict) Count(VerdictStatusOf(verdict.status()), &counts);
        silent += NeverTold(verdict) || (is_verdict && verdict.silent()) ? 1 : 0;
        add(verdict);
      }));
  const int status = SweepExitStatus(found, counts, silent);
  finish(status);
  DRAGNET_RETURN_IF_ERROR(session.io().out->Flush());
  return status;
}

absl::StatusOr<int> ReportAsJunit(const SweepFlags& flags, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(const SignedSweep found, FindSignedSweep(flags.sweep, 1, session));
  JunitWriter writer(found.sweep, session.io().out);
  return TellEachVerdict(
      found, session, [&](const v1::SweepVerdict& verdict) { writer.Add(verdict); },
      [&](int) { writer.Finish(); });
}

absl::StatusOr<int> ReportAsSarif(const SweepFlags& flags, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(const SignedSweep found, FindSignedSweep(flags.sweep, 1, session));
  SweepSarif sarif(found.sweep);
  return TellEachVerdict(
      found, session, [&](const v1::SweepVerdict& verdict) { sarif.Add(verdict); },
      [&](int status) { sarif.Write(status, session.io().out); });
}

}  // namespace

absl::StatusOr<int> ReportSweep(const SweepFlags& flags, Session& session) {
  absl::StatusOr<int> status = flags.html.has_value()           ? ReportAsPage(flags, session)
                               : flags.report_output == "junit" ? ReportAsJunit(flags, session)
                               : flags.report_output == "sarif" ? ReportAsSarif(flags, session)
                                                                : ReportVerdicts(flags, session);
  // Said by whoever pressed it.
  if (absl::IsCancelled(status.status())) {
    session.io().Say("Interrupted; what is there is not the whole.");
    return kExitIncomplete;
  }
  return status;
}

}  // namespace dragnet::console
