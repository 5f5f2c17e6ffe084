#include "agent/worker/job.h"

#include <exception>
#include <system_error>

#include "agent/ipc/frame.h"
#include "agent/sandbox/lock_in.h"
#include "agent/sandbox/weakening.h"
#include "agent/worker/row_stream.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "google/protobuf/util/json_util.h"

namespace dragnet {
namespace {

absl::Status ParseJson(const std::string& text, google::protobuf::Message* message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  auto status = google::protobuf::util::JsonStringToMessage(text, message, options);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("parameters: ", std::string(status.message())));
}

// Libraries that modules use may throw; past here nothing does.
absl::Status RunModule(const Module& module, const google::protobuf::Message& parameters,
                       RunContext& context) {
  try {
    return module.Run(parameters, context);
  } catch (const std::system_error& error) {
    // A thread that could not be started, for want of memory or by the limits.
    return absl::ResourceExhaustedError(StrCat("exception: ", error.what()));
  } catch (const std::exception& exception) {
    return absl::InternalError(StrCat("exception: ", exception.what()));
  }
}

absl::Status ParseAndValidate(const Module& module, const ipc::Job& job,
                              google::protobuf::Message* parameters) {
  DRAGNET_RETURN_IF_ERROR(ParseParameters(job, parameters));
  return module.Validate(*parameters);
}

}  // namespace

absl::Status LockInForModule(const ModuleManifest& manifest, bool allow_missing_walls) {
  sandbox::LockIn policy;
  policy.AllowReadBeneath("/").AllowSyscalls(sandbox::SyscallList::kReadAndCompute);
  const ModulePowers& powers = manifest.powers;
  // Who lists the host's sockets stands in its network, and needs none of its own.
  if (manifest.network == NetworkAccess::kHost && !powers.inspect_networks) {
    policy.Allow(sandbox::HostNetwork());
  } else {
    policy.DenyNetwork();
  }
  if (powers.inspect_processes) policy.Allow(sandbox::ProcessInspection());
  if (powers.inspect_networks) policy.Allow(sandbox::NetworkInspection());
  if (powers.icmp_sockets) policy.Allow(sandbox::IcmpSockets());
  if (allow_missing_walls) policy.Allow(sandbox::MissingWalls());
  return policy.Enter();
}

absl::Status ParseParameters(const ipc::Job& job, google::protobuf::Message* parameters) {
  switch (job.format()) {
    case ipc::Job::FORMAT_PROTO:
      return Annotate(ParseStrict(job.parameters(), kMaxFrameBytes, parameters), "parameters");
    case ipc::Job::FORMAT_JSON:
      return ParseJson(job.parameters(), parameters);
    default:
      return absl::InvalidArgumentError("the job names no format for its parameters");
  }
}

absl::Status RunJob(const ipc::Job& job, int output, bool allow_missing_walls) {
  RowStream stream(output, job.format());
  const Module* module = FindModule(job.module());
  if (module == nullptr) {
    return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS,
                       StrCat("this worker has no module '", job.module(), "'"));
  }
  // Before a byte of the parameters is looked at: the walls depend on the
  // module alone, so what a hostile parameter can do is what the module may do.
  if (absl::Status status = LockInForModule(module->manifest(), allow_missing_walls);
      !status.ok()) {
    return stream.Fail(ipc::Failed::KIND_SANDBOX, ToStd(status.message()));
  }
  std::unique_ptr<google::protobuf::Message> parameters = module->NewParameters();
  if (absl::Status status = ParseAndValidate(*module, job, parameters.get()); !status.ok()) {
    return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS, ToStd(status.message()));
  }
  if (absl::Status status = RunModule(*module, *parameters, stream); !status.ok()) {
    return stream.Fail(ipc::Failed::KIND_MODULE_ERROR, ToStd(status.message()));
  }
  return stream.Finish();
}

}  // namespace dragnet
