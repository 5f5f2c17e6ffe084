#include "agent/monitor/module_command.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/json.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

// "OUTCOME_FOUND" as "found".
std::string Plain(const std::string& name, std::string_view prefix) {
  return absl::AsciiStrToLower(name.substr(prefix.size()));
}

std::string Seconds(const google::protobuf::Duration& duration) {
  return JsonString(absl::FormatDuration(ToDuration(duration)));
}

std::string UnexaminedJson(const v1::ModuleSummary& module) {
  std::vector<std::string> items;
  for (const v1::Unexamined& item : module.unexamined()) {
    items.push_back(
        StrCat("{\"reason\":", JsonString(item.reason()), ",\"count\":", item.count(),
               ",\"examples\":", JsonArray({item.examples().begin(), item.examples().end()}), "}"));
  }
  return StrCat("[", absl::StrJoin(items, ","), "]");
}

void WaitFor(const WorkerRun& run) {
  std::vector<pollfd> fds;
  run.AddPollFds(&fds);
  const int64_t milliseconds =
      std::clamp<int64_t>(absl::ToInt64Milliseconds(run.deadline() - SteadyNow()), 0, 1000);
  ::poll(fds.data(), fds.size(), static_cast<int>(milliseconds));
}

}  // namespace

std::string SummaryJson(const v1::OperationSummary& summary) {
  const v1::ModuleSummary& module = summary.module();
  return StrCat(
      "{\"outcome\":", JsonString(Plain(v1::Outcome_Name(summary.outcome()), "OUTCOME_")),
      ",\"termination\":",
      JsonString(Plain(v1::Termination_Name(summary.termination()), "TERMINATION_")),
      ",\"detail\":", JsonString(summary.detail()), ",\"rows\":", summary.rows(),
      ",\"itemsExamined\":", module.items_examined(),
      ",\"bytesExamined\":", module.bytes_examined(), ",\"unexamined\":", UnexaminedJson(module),
      ",\"limitsHit\":", JsonArray({module.limits_hit().begin(), module.limits_hit().end()}),
      ",\"wallTime\":", Seconds(summary.wall_time()), ",\"cpuTime\":", Seconds(summary.cpu_time()),
      ",\"heldForCpuShare\":", Seconds(summary.held_for_cpu_share()),
      ",\"peakMemoryBytes\":", summary.peak_memory_bytes(), "}");
}

namespace {

std::string KnownNames(ModuleForm form) {
  std::vector<std::string_view> names;
  for (const ModuleManifest* known : AllManifests()) {
    if (form == ModuleForm::kOwn) names.push_back(known->name);
    if (form == ModuleForm::kMig) {
      names.insert(names.end(), known->mig_names.begin(), known->mig_names.end());
    }
  }
  return absl::StrJoin(names, ", ",
                       [](std::string* out, std::string_view name) { out->append(name); });
}

// Parameters that don't fit into a frame go by descriptor.
absl::StatusOr<std::vector<UniqueFd>> PutParameters(const std::string& parameters, ipc::Job* job) {
  std::vector<UniqueFd> inputs;
  if (parameters.size() <= kMaxParameterBytes) {
    job->set_parameters(parameters);
    return inputs;
  }
  UniqueFd file(::memfd_create("parameters", MFD_CLOEXEC));
  if (!file.valid()) return ErrnoStatus("memfd_create", errno);
  DRAGNET_RETURN_IF_ERROR(WriteAll(file.get(), parameters));
  ipc::Input* input = job->add_inputs();
  input->set_sha256(Sha256(parameters));
  input->set_size(parameters.size());
  inputs.push_back(std::move(file));
  return inputs;
}

}  // namespace

int RunModuleCommand(const std::string& module, const std::string& json_parameters, ModuleForm form,
                     const WorkerEnvironment& environment, uint32_t cpu_share_percent) {
  const ModuleManifest* manifest =
      form == ModuleForm::kMig ? FindManifestOfMig(module) : FindManifest(module);
  if (manifest == nullptr) {
    const std::string names = KnownNames(form);
    std::fprintf(stderr, "dragnet-agent: module %s: there is none of this name; there are: %s\n",
                 module.c_str(), names.c_str());
    return 2;
  }
  ipc::Job job;
  job.set_module(module);
  job.set_format(form == ModuleForm::kMig ? ipc::Job::FORMAT_MIG : ipc::Job::FORMAT_JSON);
  const absl::StatusOr<std::vector<UniqueFd>> inputs = PutParameters(json_parameters, &job);
  if (!inputs.ok()) {
    std::fprintf(stderr, "dragnet-agent: module %s: %s\n", module.c_str(),
                 std::string(inputs.status().message()).c_str());
    return 2;
  }
  OperationLimits limits;
  limits.cpu_share_percent = cpu_share_percent;
  WorkerRun run(*manifest, job, limits, environment, *inputs);
  while (true) {
    run.Advance();
    while (const std::optional<v1::Rows> rows = run.TakeRows()) {
      for (const std::string& row : rows->rows()) {
        if (form == ModuleForm::kMig) {
          std::fwrite(row.data(), 1, row.size(), stdout);
        } else {
          std::printf("{\"row\":%s}\n", row.c_str());
        }
      }
      run.Advance();
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return 3;  // no one reads on
    if (run.summary().has_value()) break;
    WaitFor(run);
  }
  const v1::OperationSummary& summary = *run.summary();
  if (summary.termination() == v1::TERMINATION_INVALID_PARAMETERS) {
    // The worker's words, which may be of several lines or hostile.
    std::fprintf(stderr, "dragnet-agent: module %s: %s\n", module.c_str(),
                 ForTerminal(ToStd(absl::StripAsciiWhitespace(summary.detail()))).c_str());
    return 2;
  }
  if (form == ModuleForm::kOwn) {
    std::printf("{\"summary\":%s}\n", SummaryJson(summary).c_str());
  } else {
    std::printf("\n");
    // MIG's form has no place for it.
    if (summary.termination() != v1::TERMINATION_COMPLETED) {
      std::fprintf(stderr, "dragnet-agent: module %s: %s: %s\n", module.c_str(),
                   Plain(v1::Termination_Name(summary.termination()), "TERMINATION_").c_str(),
                   ForTerminal(summary.detail()).c_str());
    }
  }
  return summary.outcome() == v1::OUTCOME_INCOMPLETE ? 3 : 0;
}

}  // namespace dragnet
