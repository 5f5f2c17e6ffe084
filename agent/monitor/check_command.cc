#include "agent/monitor/check_command.h"

#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/str_join.h"
#include "agent/monitor/check_run.h"
#include "core/clock.h"
#include "core/safe_json.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

using check::v1::CheckParameters;
using check::v1::Verdict;

constexpr int kAllRun = 0;
constexpr int kNotAPack = 2;
constexpr int kNotRun = 3;

int Fail(int status, std::string_view problem) {
  std::fprintf(stderr, "dragnet-agent: check: %s\n", ForTerminal(problem).c_str());
  return status;
}

// Some of them at a time, told in their order.
class Checks {
 public:
  Checks(const CheckParameters& parameters, const CheckSurroundings& surroundings, int workers)
      : parameters_(parameters), surroundings_(surroundings), workers_(workers) {}

  // False when nobody reads on.
  bool Run() {
    while (told_ < parameters_.checks_size()) {
      Start();
      if (!Tell()) return false;
      if (!running_.empty()) Wait();
      for (auto& [index, check] : running_) check->Advance();
    }
    return true;
  }
  uint64_t Count(const std::string& status) const {
    const auto found = counts_.find(status);
    return found == counts_.end() ? 0 : found->second;
  }
  // Why not one of the workers could be started; empty when one was, or none was needed.
  std::string WhyNotRun() const { return some_ran_ ? "" : why_not_started_; }

 private:
  void Start() {
    while (next_ < parameters_.checks_size() && Working() < workers_) {
      running_[next_] = std::make_unique<CheckWorker>(parameters_.checks(next_), surroundings_);
      ++next_;
    }
  }
  int Working() const {
    return static_cast<int>(std::count_if(running_.begin(), running_.end(), [](const auto& entry) {
      return !entry.second->verdict().has_value();
    }));
  }
  bool Tell() {
    for (auto first = running_.begin(); first != running_.end() && first->first == told_;
         first = running_.erase(first)) {
      const CheckWorker& check = *first->second;
      if (!check.verdict().has_value()) break;
      NoteEnd(check);
      std::printf("{\"verdict\":%s}\n", VerdictJson(*check.verdict()).c_str());
      ++told_;
    }
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  }
  void NoteEnd(const CheckWorker& check) {
    ++counts_[check.verdict()->status()];
    if (check.summary().termination() == v1::TERMINATION_UNSPECIFIED) return;
    if (check.summary().termination() == v1::TERMINATION_NOT_STARTED) {
      why_not_started_ = check.summary().detail();
    } else {
      some_ran_ = true;
    }
  }
  void Wait() const {
    std::vector<pollfd> fds;
    absl::Time deadline = SteadyNow() + absl::Seconds(1);
    for (const auto& [index, check] : running_) {
      if (check->verdict().has_value()) {
        // It waits to be told, or can be.
        if (index == told_) return;
        continue;
      }
      check->worker()->AddPollFds(&fds);
      deadline = std::min(deadline, check->worker()->deadline());
    }
    const int64_t milliseconds = absl::ToInt64Milliseconds(
        absl::Ceil(std::max(deadline - SteadyNow(), absl::ZeroDuration()), absl::Milliseconds(1)));
    ::poll(fds.data(), fds.size(), static_cast<int>(milliseconds));
  }

  const CheckParameters& parameters_;
  const CheckSurroundings& surroundings_;
  const int workers_;
  // By their place in the pack: those that run, and those that wait to be told.
  std::map<int, std::unique_ptr<CheckWorker>> running_;
  int next_ = 0;
  int told_ = 0;
  std::map<std::string, uint64_t> counts_;
  bool some_ran_ = false;
  std::string why_not_started_;
};

}  // namespace

std::string VerdictJson(const Verdict& verdict) {
  // By hand: protobuf's own printer takes half a megabyte of program, and leaves
  // what a terminal could obey.
  return StrCat(
      "{\"check\":", SafeJsonString(verdict.check()),
      ",\"status\":", SafeJsonString(verdict.status()),
      ",\"severity\":", SafeJsonString(verdict.severity()),
      ",\"title\":", SafeJsonString(verdict.title()),
      ",\"reason\":", SafeJsonString(verdict.reason()), ",\"evidence\":[",
      absl::StrJoin(verdict.evidence(), ",",
                    [](std::string* out, const std::string& row) { *out += SafeJsonString(row); }),
      "],\"evidence_left_out\":\"", verdict.evidence_left_out(), "\",\"rows\":\"", verdict.rows(),
      "\",\"selected\":\"", verdict.selected(), "\",\"wall_time_ms\":\"", verdict.wall_time_ms(),
      "\"}");
}

int RunCheckCommand(const std::string& pack, const CheckSurroundings& surroundings, int workers) {
  const absl::Time started = SteadyNow();
  const absl::StatusOr<CheckParameters> parameters = ParseChecks(pack, kMaxPackBytes);
  if (!parameters.ok()) return Fail(kNotAPack, ToStd(parameters.status().message()));
  Checks checks(*parameters, surroundings, workers);
  if (!checks.Run()) return kNotRun;
  std::printf(
      "{\"summary\":{\"checks\":%d,\"passed\":%lu,\"failed\":%lu,\"unknown\":%lu,"
      "\"not_applicable\":%lu,\"wall_time_ms\":%ld}}\n",
      parameters->checks_size(), checks.Count(kPass), checks.Count(kFail), checks.Count(kUnknown),
      checks.Count(kNotApplicable), absl::ToInt64Milliseconds(SteadyNow() - started));
  if (std::fflush(stdout) != 0) return kNotRun;
  const std::string why = checks.WhyNotRun();
  return why.empty() ? kAllRun : Fail(kNotRun, StrCat("no check could be run: ", why));
}

}  // namespace dragnet
