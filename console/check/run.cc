#include "console/check/run.h"

#include "console/check/agent_program.h"
#include "console/check/verdict_reader.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// As check.proto has it.
constexpr absl::Duration kDefaultWallTime = absl::Minutes(1);
// For starting workers, and ending them.
constexpr absl::Duration kTimePerCheck = absl::Seconds(5);
constexpr absl::Duration kTimePerRun = absl::Minutes(1);
// Of one check: ten rows of evidence, escaped, and the texts.
constexpr size_t kMaxOutputPerCheck = kMaxVerdictLine;

absl::Duration TimeoutOf(const Pack& pack) {
  absl::Duration timeout = kTimePerRun;
  for (const auto& check : pack.parameters.checks()) {
    timeout +=
        kTimePerCheck + (check.limits().has_wall_time() ? ToDuration(check.limits().wall_time())
                                                        : kDefaultWallTime);
  }
  return timeout;
}

class PackRun {
 public:
  PackRun(const Pack& pack, const CheckRunOptions& options, CheckReport* report,
          CheckRunOutcome* outcome)
      : pack_(pack), options_(options), report_(report), outcome_(outcome), reader_(pack) {}

  void Run() {
    report_->BeginPack(pack_);
    const std::string end = RunAgent();
    std::vector<CheckResult> missing = reader_.Missing(WhyMissing(end));
    // --fail-on is about what was looked at: what nobody looked at is a problem of the run.
    const bool incomplete = !missing.empty();
    for (CheckResult& one : missing) Take(std::move(one));
    report_->EndPack();
    if (!reader_.problem().empty()) {
      AddProblem(StrCat("the agent ", reader_.problem()));
    } else if (incomplete) {
      AddProblem(StrCat("not every check was run: ", WhyMissing(end)));
    }
  }

 private:
  // How it ended, if that wasn't well.
  std::string RunAgent() {
    if (!options_.program.ok()) return std::string(ToStd(options_.program.status().message()));
    if (options_.interrupted()) return "interrupted";
    const std::string input = pack_.parameters.SerializeAsString();
    ProgramRun run{
        .program = *options_.program,
        .arguments = {"check", "--pack", "-"},
        .input = input,
        .timeout = TimeoutOf(pack_),
        .max_line = kMaxVerdictLine,
        .max_output = kMaxOutputPerCheck * static_cast<size_t>(pack_.parameters.checks_size() + 1),
        .on_line = [this](std::string_view line) { TakeLine(line); },
        .interrupted = options_.interrupted};
    if (!options_.root.empty()) {
      run.arguments.insert(run.arguments.end(), {"--root", options_.root});
    }
    const absl::StatusOr<std::string> end = RunProgram(run);
    if (!end.ok()) return std::string(ToStd(end.status().message()));
    return end->empty() || *end == "interrupted" ? *end : StrCat("dragnet-agent ", *end);
  }

  std::string WhyMissing(const std::string& end) const {
    if (!end.empty()) return end;
    return reader_.problem().empty() ? "dragnet-agent ended without a verdict"
                                     : StrCat("dragnet-agent ", reader_.problem());
  }

  void AddProblem(std::string_view problem) {
    outcome_->problems.push_back(ForTerminal(StrCat(pack_.parameters.pack(), ": ", problem)));
  }

  void TakeLine(std::string_view line) {
    std::optional<CheckResult> result = reader_.Line(line);
    if (result.has_value()) Take(*std::move(result));
  }

  void Take(CheckResult result) {
    result.below_fail_on = !options_.fail_on.empty() &&
                           SeverityRank(result.check().severity()) < SeverityRank(options_.fail_on);
    if (options_.baseline != nullptr) {
      result.accepted = options_.baseline->Accepts(result, options_.host, options_.today);
    }
    outcome_->tally.Add(result);
    report_->Add(result);
    if (result.status == CheckStatus::kFail && !result.accepted.has_value()) {
      outcome_->failures.push_back(std::move(result));
    }
  }

  const Pack& pack_;
  const CheckRunOptions& options_;
  CheckReport* const report_;
  CheckRunOutcome* const outcome_;
  VerdictReader reader_;
};

}  // namespace

int CheckRunOutcome::ExitStatus() const {
  if (tally.any_fails()) return 1;
  return tally.any_unknown_counts() || !problems.empty() ? 3 : 0;
}

CheckRunOutcome RunPacks(const std::vector<Pack>& packs, const CheckRunOptions& options,
                         CheckReport* report) {
  int checks = 0;
  for (const Pack& pack : packs) checks += pack.parameters.checks_size();
  report->Begin(checks);
  CheckRunOutcome outcome;
  for (const Pack& pack : packs) PackRun(pack, options, report, &outcome).Run();
  return outcome;
}

}  // namespace dragnet::console
