// `dragnet sweep list|show|history|drift`: what the scheduler tells of sweeps.
#include <algorithm>
#include <map>
#include <numeric>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "console/cli/exit_status.h"
#include "console/cli/interrupt.h"
#include "console/cli/sweep.h"
#include "console/form/describe.h"
#include "console/form/recurrence.h"
#include "console/form/values.h"
#include "console/investigation/lookup.h"
#include "console/investigation/summary.h"
#include "console/investigation/verification.h"
#include "console/output/cell.h"
#include "console/output/json.h"
#include "console/sweeps/drift.h"
#include "console/sweeps/groups.h"
#include "console/sweeps/score.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr uint32_t kMostRuns = 1000;

std::vector<ValueTable::Column> WithCounts(std::vector<ValueTable::Column> columns) {
  for (const char* title : {"passed", "failed", "unknown", "not_applicable"})
    columns.push_back({title, true, false});
  columns.push_back({"score", false, false});
  return columns;
}

void AddCounts(const v1::VerdictCounts& counts, std::vector<std::string>* cells) {
  for (const uint64_t count :
       {counts.passed(), counts.failed(), counts.unknown(), counts.not_applicable()})
    cells->push_back(StrCat(count));
  cells->push_back(ScoreText(counts));
}

std::string ScoreWords(const v1::VerdictCounts& counts) {
  if (ScoredOf(counts) == 0) return "none: no verdict yet";
  std::string words = StrCat(ScoreText(counts), ": ", counts.passed(), " of ", ScoredOf(counts),
                             ScoredOf(counts) == 1 ? " verdict passed" : " verdicts passed");
  if (counts.unknown() > 0)
    StrAppend(&words, "; ", counts.unknown(), counts.unknown() == 1 ? " is" : " are",
              " unknown, which counts as not passed");
  return words;
}

std::string HostWords(const v1::SweepInfo& info) {
  const v1::VerdictCounts& hosts = info.agents();
  return StrCat(info.agents_with_it(), ": ", hosts.passed(), " pass, ", hosts.failed(), " fail, ",
                hosts.unknown(), " unknown, ", hosts.not_applicable(), " not applicable; ",
                info.agents_silent(), " silent",
                info.agents_without_it() == 0
                    ? ""
                    : StrCat("; besides, ", info.agents_without_it(), " haven't taken it on"));
}

void ShowHead(const SignedSweep& found, Session& session) {
  const Sweep& sweep = found.sweep;
  const v1::SweepInfo& info = sweep.info();
  std::string signers;
  for (const std::string& signer : found.verification.signers)
    StrAppend(&signers, signers.empty() ? "" : ", ", signer);
  const auto time = [](bool set, const google::protobuf::Timestamp& at) {
    const absl::StatusOr<absl::Time> when = ToTime(at);
    return set && when.ok() ? LocalTime(*when) : std::string();
  };
  session.io().out->Write(DescribeLines({
      {"Sweep", sweep.action.name()},
      {"Id", sweep.action.id()},
      {"Target", sweep.action.target() == "true" ? "every agent" : sweep.action.target()},
      {"Recurs", RecurrenceWords(sweep.action.recurrence())},
      {"Next", info.has_next() ? time(true, info.next()) : "none"},
      {"Last", info.has_last() ? time(true, info.last().occurrence()) : "no run yet"},
      {"Until", time(true, sweep.action.expires())},
      {"Signed by", signers},
      {"State",
       StrCat(PhaseWord(info.action().phase()), info.action().phase_reason().empty() ? "" : ": ",
              info.action().phase_reason())},
      {"Score", ScoreWords(info.verdicts())},
      {"Hosts", HostWords(info)},
  }));
  session.io().out->Write("\n");
}

// Checks as they are worth looking at: the worst first.
std::vector<size_t> ByWorst(const Sweep& sweep, const std::vector<v1::VerdictCounts>& counts) {
  std::vector<size_t> order(counts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return IsWorse(sweep.checks[a], counts[a], sweep.checks[b], counts[b]);
  });
  return order;
}

bool Wanted(const SweepFlags& flags, const std::string& check) {
  return flags.checks.empty() ||
         std::find(flags.checks.begin(), flags.checks.end(), check) != flags.checks.end();
}

absl::Status ShowByCheck(const SweepFlags& flags, const Sweep& sweep, Session& session) {
  std::vector<v1::VerdictCounts> counts(sweep.checks.size());
  for (const v1::GetSweepResponse::CheckCounts& told : sweep.told.checks())
    for (size_t i = 0; i < sweep.checks.size(); ++i)
      if (sweep.checks[i].id() == told.check()) counts[i] = told.verdicts();
  ValueTable table(WithCounts({{"check"}, {"severity"}, {"title"}}), flags.output, session.io());
  for (const size_t i : ByWorst(sweep, counts)) {
    std::vector<std::string> cells = {sweep.checks[i].id(), sweep.checks[i].severity(),
                                      sweep.checks[i].title()};
    AddCounts(counts[i], &cells);
    table.Row(cells);
  }
  return table.Finish("no rows: its document has no checks that this version can read");
}

v1::SweepVerdictsRequest VerdictsOf(const SweepFlags& flags, const Sweep& sweep) {
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.action.id());
  for (const std::string& check : flags.checks) request.add_checks(check);
  if (flags.failed)
    for (const char* status : {"fail", "unknown"}) request.add_statuses(status);
  return request;
}

// Also counts who is silent.
absl::Status ShowGroups(const SweepFlags& flags, const Sweep& sweep, uint64_t* silent,
                        Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  std::map<std::string, std::string> groups;
  if (flags.by != "host") {
    DRAGNET_ASSIGN_OR_RETURN(groups, GroupsOf(flags.by, *client));
  }
  SweepTally tally(sweep, std::move(groups));
  const Interrupt interrupt;
  DRAGNET_RETURN_IF_ERROR(ReadVerdicts(
      VerdictsOf(flags, sweep), *client, [&] { return interrupt.raised(); },
      [&](const v1::SweepVerdict& verdict) { tally.Add(verdict); }));
  tally.Finish();
  *silent = tally.silent();
  if (flags.by == "host") {
    ValueTable table(WithCounts({{"host"}, {"agent_id", false, true}, {"last_run"}, {"silent"}}),
                     flags.output, session.io());
    for (const SweepTally::Host& host : tally.hosts()) {
      std::vector<std::string> cells = {host.name, host.id, table.Time(host.told),
                                        host.silent ? "silent" : ""};
      AddCounts(host.verdicts, &cells);
      table.Row(cells);
    }
    return table.Finish("no rows: no host has told anything yet");
  }
  ValueTable table(WithCounts({{flags.by},
                               {"hosts", true},
                               {"passing", true},
                               {"failing", true},
                               {"unsure", true},
                               {"silent", true}}),
                   flags.output, session.io());
  for (const SweepTally::Group& group : tally.groups()) {
    std::vector<std::string> cells = {group.name,
                                      StrCat(AllOf(group.hosts)),
                                      StrCat(group.hosts.passed()),
                                      StrCat(group.hosts.failed()),
                                      StrCat(group.hosts.unknown()),
                                      StrCat(group.silent)};
    AddCounts(group.verdicts, &cells);
    table.Row(cells);
  }
  return table.Finish("no rows: no host has told anything yet");
}

// Also counts what it shows.
absl::Status ShowVerdicts(const SweepFlags& flags, const Sweep& sweep, v1::VerdictCounts* counts,
                          uint64_t* silent, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  ValueTable table({{"host"},
                    {"agent_id", false, true},
                    {"check"},
                    {"severity"},
                    {"title", false, true},
                    {"status"},
                    {"since"},
                    {"run"},
                    {"silent", false, true},
                    {"reason"},
                    {"evidence_left_out", true, true},
                    {"evidence", false, true}},
                   flags.output, session.io());
  const Interrupt interrupt;
  uint64_t strangers = 0;
  DRAGNET_RETURN_IF_ERROR(ReadVerdicts(
      VerdictsOf(flags, sweep), *client, [&] { return interrupt.raised(); },
      [&](const v1::SweepVerdict& verdict) {
        if (NeverTold(verdict)) {
          ++*silent;
          // No status of a verdict; in a table one reads the only column that says so.
          table.Row(
              {verdict.agent_name(), verdict.agent_id(), "", "", "",
               table.is_table() ? "silent" : "", "", "", "silent", WhyNeverTold(verdict), "0"},
              {});
          return;
        }
        const check::v1::Check* check = sweep.Find(verdict.check());
        if (check == nullptr) {
          ++strangers;
          return;
        }
        Count(VerdictStatusOf(verdict.status()), counts);
        *silent += verdict.silent() ? 1 : 0;
        table.Row({verdict.agent_name(), verdict.agent_id(), verdict.check(), check->severity(),
                   check->title(), std::string(WordOf(VerdictStatusOf(verdict.status()))),
                   table.Time(verdict.since()), table.Time(verdict.occurrence()),
                   verdict.silent() ? "silent" : "", verdict.reason(),
                   StrCat(verdict.evidence_left_out())},
                  {verdict.evidence().begin(), verdict.evidence().end()});
        for (const std::string& evidence : verdict.evidence()) table.Note(evidence);
        if (verdict.evidence_left_out() > 0)
          table.Note(StrCat("… and ", verdict.evidence_left_out(), " more"));
      }));
  if (strangers > 0)
    session.io().Say(StrCat("warning: ", strangers,
                            " verdicts are about checks that aren't in the signed document: not "
                            "shown"));
  return table.Finish("no rows: no such verdicts");
}

}  // namespace

// ---- what they share

ValueTable::ValueTable(const std::vector<Column>& columns, const std::string& output, Io& io)
    : io_(io), is_table_(*ParseFormat(output) == Format::kTable), columns_(columns) {
  Layout layout;
  for (const Column& column : columns_)
    layout.labels.push_back(
        {.header = column.detail ? "" : absl::StrReplaceAll(column.title, {{"_", " "}}),
         .key = column.title,
         .number = column.number});
  writer_ = RecordWriter::Create(*ParseFormat(output), {std::move(layout)}, io.out,
                                 {.terminal = io.output_is_terminal, .color = io.color});
}

void ValueTable::Row(const std::vector<std::string>& cells) {
  std::vector<Value> values;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (columns_[i].number) {
      values.push_back(cells[i].empty() ? Value::Null() : Value::Number(cells[i]));
    } else {
      values.push_back(Value::Text(cells[i]));
    }
  }
  writer_->WriteValues(0, values);
  ++rows_;
}

void ValueTable::Row(std::vector<std::string> cells, const std::vector<std::string>& list) {
  std::string json;
  for (const std::string& entry : list)
    StrAppend(&json, json.empty() ? "[" : ",", SafeJsonString(entry));
  std::vector<Value> values;
  for (size_t i = 0; i < cells.size(); ++i)
    values.push_back(columns_[i].number ? Value::Number(cells[i]) : Value::Text(cells[i]));
  values.push_back(Value::Json(json.empty() ? "[]" : StrCat(json, "]")));
  writer_->WriteValues(0, values);
  ++rows_;
}

void ValueTable::Note(std::string_view text) {
  if (!is_table_) return;
  writer_->Flush();
  io_.out->Write(StrCat("    ", ForTerminal(text), "\n"));
}

std::string ValueTable::Time(absl::Time time) const {
  if (time == absl::InfinitePast()) return "";
  return is_table_ ? LocalTime(time)
                   : absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

std::string ValueTable::Time(const google::protobuf::Timestamp& timestamp) const {
  if (timestamp.seconds() == 0 && timestamp.nanos() == 0) return "";
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? Time(*time) : "";
}

absl::Status ValueTable::Finish(std::string_view none) {
  writer_->Finish();
  if (rows_ == 0) io_.Say(none);
  return io_.out->Flush();
}

absl::StatusOr<Sweep> FindSweepByWord(const std::string& word, uint32_t runs, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  if (word != "last") return FindSweep(word, runs, absl::InfinitePast(), *client);
  DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
  DRAGNET_ASSIGN_OR_RETURN(const std::string id, LastSweepOf(config->name, *client));
  return FindSweep(id, runs, absl::InfinitePast(), *client);
}

std::string WhyRefused(const ActionVerification& verification) {
  if (verification.authorized()) return "";
  if (!verification.problems.empty()) return ForTerminal(verification.problems.front());
  for (const std::string& missing : verification.missing)
    if (!missing.empty())
      return StrCat("it is not signed by enough weight: ", ForTerminal(missing));
  return "";
}

absl::StatusOr<SignedSweep> FindSignedSweep(const std::string& word, uint32_t runs,
                                            Session& session) {
  SignedSweep found;
  DRAGNET_ASSIGN_OR_RETURN(found.sweep, FindSweepByWord(word, runs, session));
  DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
  DRAGNET_ASSIGN_OR_RETURN(found.verification,
                           VerifyAction(found.sweep.info().action().envelope(), *policy,
                                        session.modules(), session.now()));
  if (found.verification.signers.empty()) {
    return MarkFromScheduler(absl::FailedPreconditionError(
        StrCat("sweep ", ForTerminal(found.sweep.action.id()),
               ": no one in the trust policy signed what the scheduler shows of it: don't trust "
               "this scheduler")));
  }
  if (!found.verification.authorized())
    session.io().Say(StrCat("warning: agents refuse this sweep: ", WhyRefused(found.verification)));
  return found;
}

int SweepExitStatus(const SignedSweep& found, const v1::VerdictCounts& verdicts, uint64_t silent) {
  if (verdicts.failed() > 0) return kExitCheckFailed;
  const v1::SweepInfo& info = found.sweep.info();
  // Neither the stream nor the numbers are believed alone: silence in one is enough.
  const bool heard_all = silent == 0 && info.agents_silent() == 0 && info.agents_without_it() == 0;
  return heard_all && verdicts.unknown() == 0 && AllOf(verdicts) > 0 &&
                 found.verification.authorized()
             ? kExitDone
             : kExitIncomplete;
}

// ---- commands

absl::StatusOr<int> ListSweeps(const SweepFlags& flags, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  v1::ListSweepsRequest request;
  request.set_with_ended(flags.all);
  DRAGNET_ASSIGN_OR_RETURN(v1::ListSweepsResponse response, client->ListSweeps(request));
  ValueTable table({{"id"},
                    {"name"},
                    {"schedule"},
                    {"phase"},
                    {"next"},
                    {"last"},
                    {"score"},
                    {"passing", true},
                    {"failing", true},
                    {"unknown", true},
                    {"silent", true},
                    {"without", true},
                    {"hosts", true, true},
                    {"launched_by", false, true},
                    {"until", false, true},
                    {"refused", false, true}},
                   flags.output, session.io());
  std::vector<std::string> doubts;
  for (v1::SweepInfo& sweep : *response.mutable_sweeps()) {
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info,
                             CheckedInfo(std::move(*sweep.mutable_action())));
    DRAGNET_ASSIGN_OR_RETURN(const v1::Action action, DecodeAction(info.envelope()));
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    DRAGNET_ASSIGN_OR_RETURN(
        const ActionVerification verification,
        VerifyAction(info.envelope(), *policy, session.modules(), session.now()));
    const std::string refused = verification.signers.empty()
                                    ? "no one in the trust policy signed it"
                                    : WhyRefused(verification);
    if (!refused.empty()) doubts.push_back(StrCat(ForTerminal(info.action_id()), ": ", refused));
    std::vector<std::string> cells = {info.action_id(),
                                      info.name(),
                                      ScheduleWords(action.recurrence()),
                                      PhaseWord(info.phase()),
                                      table.Time(sweep.next()),
                                      table.Time(sweep.last().occurrence()),
                                      ScoreText(sweep.verdicts()),
                                      StrCat(sweep.agents().passed()),
                                      StrCat(sweep.agents().failed()),
                                      StrCat(sweep.agents().unknown()),
                                      StrCat(sweep.agents_silent()),
                                      StrCat(sweep.agents_without_it()),
                                      StrCat(sweep.agents_with_it()),
                                      info.launched_by(),
                                      table.Time(action.expires()),
                                      refused};
    // What a scheduler made up has no score.
    if (verification.signers.empty()) std::fill(cells.begin() + 6, cells.begin() + 13, "");
    table.Row(cells);
  }
  DRAGNET_RETURN_IF_ERROR(table.Finish("no rows: no sweeps (dragnet sweep add)"));
  for (const std::string& doubt : doubts)
    session.io().Say(StrCat("warning: agents refuse the sweep ", doubt));
  if (response.left_out() > 0)
    session.io().Say(StrCat("warning: ", response.left_out(),
                            " more are not in this list: older ones, and those that the scheduler "
                            "can't read (dragnet sweep show ID)"));
  return doubts.empty() && response.left_out() == 0 ? kExitDone : kExitIncomplete;
}

absl::StatusOr<int> ShowSweep(const SweepFlags& flags, Session& session) {
  const bool groups = flags.by != "check";
  if (groups && flags.by != "host")
    DRAGNET_RETURN_IF_ERROR(Annotate(ValidateGrouping(flags.by), "--by (or check, host)"));
  DRAGNET_ASSIGN_OR_RETURN(const SignedSweep found, FindSignedSweep(flags.sweep, 2, session));
  const Sweep& sweep = found.sweep;
  for (const std::string& check : flags.checks) {
    if (sweep.Find(check) == nullptr)
      return absl::NotFoundError(StrCat("--check ", check, ": the sweep has no such check"));
  }
  if (flags.output == "table") ShowHead(found, session);
  v1::VerdictCounts counts = sweep.info().verdicts();
  uint64_t silent = 0;
  if (groups) {
    DRAGNET_RETURN_IF_ERROR(ShowGroups(flags, sweep, &silent, session));
  } else if (flags.failed || !flags.checks.empty()) {
    v1::VerdictCounts shown;
    DRAGNET_RETURN_IF_ERROR(ShowVerdicts(flags, sweep, &shown, &silent, session));
    if (!flags.checks.empty() && !flags.failed) {
      counts = shown;
    } else if (!flags.checks.empty()) {
      // Only failed ones were asked for: that others pass is in the counts.
      counts.Clear();
      for (const v1::GetSweepResponse::CheckCounts& told : sweep.told.checks())
        if (Wanted(flags, told.check())) Add(told.verdicts(), &counts);
    }
  } else {
    DRAGNET_RETURN_IF_ERROR(ShowByCheck(flags, sweep, session));
  }
  return SweepExitStatus(found, counts, silent);
}

absl::StatusOr<int> ReportVerdicts(const SweepFlags& flags, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(const SignedSweep found, FindSignedSweep(flags.sweep, 1, session));
  SweepFlags all;
  all.output = flags.report_output;
  v1::VerdictCounts counts;
  uint64_t silent = 0;
  DRAGNET_RETURN_IF_ERROR(ShowVerdicts(all, found.sweep, &counts, &silent, session));
  return SweepExitStatus(found, counts, silent);
}

absl::StatusOr<int> ShowSweepHistory(const SweepFlags& flags, Session& session) {
  uint32_t limit = 0;
  if (!absl::SimpleAtoi(flags.limit, &limit) || limit < 1 || limit > kMostRuns) {
    return absl::InvalidArgumentError(
        StrCat("--limit: \"", flags.limit, "\" is not a number from 1 to ", kMostRuns));
  }
  DRAGNET_ASSIGN_OR_RETURN(const SignedSweep found, FindSignedSweep(flags.sweep, limit, session));
  const Sweep& sweep = found.sweep;
  ValueTable table(WithCounts({{"run"},
                               {"hosts", true},
                               {"passing", true},
                               {"failing", true},
                               {"unsure", true},
                               {"silent", true},
                               {"action", false, true}}),
                   flags.output, session.io());
  for (const v1::SweepRun& run : sweep.told.runs()) {
    std::vector<std::string> cells = {table.Time(run.occurrence()),
                                      StrCat(AllOf(run.agents())),
                                      StrCat(run.agents().passed()),
                                      StrCat(run.agents().failed()),
                                      StrCat(run.agents().unknown()),
                                      StrCat(run.silent()),
                                      run.action_id()};
    AddCounts(run.verdicts(), &cells);
    table.Row(cells);
  }
  DRAGNET_RETURN_IF_ERROR(table.Finish("no rows: no run yet"));
  if (table.is_table() && !sweep.told.runs().empty())
    session.io().Say(StrCat("A run's rows:  dragnet results ",
                            ForTerminal(sweep.told.runs(0).action_id()), "   (the newest)"));
  return found.verification.authorized() ? kExitDone : kExitIncomplete;
}

namespace {

// A day or time, or a run as SWEEP@SECONDS.
absl::StatusOr<absl::Time> SinceOf(const std::string& text, const Sweep& sweep, absl::Time now) {
  if (text.empty()) return RunBeforeLast(sweep);
  const size_t at = text.rfind('@');
  if (at == std::string::npos) {
    const absl::StatusOr<absl::Time> time = ParseTime(text, now);
    return time.ok() ? time : Annotate(time.status(), "--since");
  }
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(text.substr(at + 1), &seconds) ||
      !sweep.action.id().starts_with(text.substr(0, at))) {
    return absl::InvalidArgumentError(
        StrCat("--since: \"", text, "\" is not a run of this sweep (dragnet sweep history)"));
  }
  return absl::FromUnixSeconds(seconds);
}

}  // namespace

absl::StatusOr<int> ShowSweepDrift(const SweepFlags& flags, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  DRAGNET_ASSIGN_OR_RETURN(const SignedSweep found, FindSignedSweep(flags.sweep, 2, session));
  const Sweep& sweep = found.sweep;
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time since, SinceOf(flags.since, sweep, session.now()));
  bool cut = false;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<v1::SweepChange> changes,
                           ReadChanges(sweep.action.id(), since, *client, &cut));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<v1::SweepVerdict> one_check,
                           ReadOneCheck(sweep, *client));
  if (cut)
    session.io().Say(StrCat("warning: there are more than ", kMostChanges,
                            " changes: the older ones were not looked at"));
  ValueTable table({{"change"},
                    {"host"},
                    {"agent_id", false, true},
                    {"check"},
                    {"severity"},
                    {"title", false, true},
                    {"from"},
                    {"to"},
                    {"run"},
                    {"reason"}},
                   flags.output, session.io());
  for (const DriftEntry& entry : DriftOf(sweep, changes, one_check, since)) {
    const check::v1::Check* check = sweep.Find(entry.check);
    table.Row({std::string(WordsOf(entry.kind)), entry.agent_name, entry.agent_id, entry.check,
               check == nullptr ? "" : check->severity(), check == nullptr ? "" : check->title(),
               entry.from, entry.to, table.Time(entry.occurrence), entry.reason});
  }
  DRAGNET_RETURN_IF_ERROR(table.Finish(
      since == absl::InfinitePast() ? "no rows: nothing changed"
                                    : StrCat("no rows: nothing changed since ", LocalTime(since))));
  return found.verification.authorized() ? kExitDone : kExitIncomplete;
}

}  // namespace dragnet::console
