// `dragnet-agent module NAME`: one module on this host, no fleet needed, in the
// same sandboxed worker as in production.
#pragma once

#include <string>

#include "agent/monitor/worker_run.h"

namespace dragnet {

enum class ModuleForm {
  kOwn,
  // Name, parameters and results as MIG has them (modules/mig.h).
  kMig,
};

// JSON parameters in; JSON Lines on standard output: {"row":{…}} per finding,
// last {"summary":{…}}; or MIG's one document. Returns the exit status: 0 everything was looked at,
// 2 bad parameters or module, 3 incomplete.
// `cpu_share_percent` as in OperationLimits; 0, which is what someone who waits for it at a
// terminal gets, for none.
int RunModuleCommand(const std::string& module, const std::string& json_parameters, ModuleForm form,
                     const WorkerEnvironment& environment, uint32_t cpu_share_percent);

// The summary as one JSON object.
std::string SummaryJson(const v1::OperationSummary& summary);

}  // namespace dragnet
