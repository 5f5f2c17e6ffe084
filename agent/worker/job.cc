#include "agent/worker/job.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <system_error>

#include "agent/ipc/frame.h"
#include "agent/sandbox/lock_in.h"
#include "agent/sandbox/weakening.h"
#include "agent/worker/mig_run.h"
#include "agent/worker/row_stream.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strict_json.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "google/protobuf/util/json_util.h"
#include "modules/blobs.h"
#include "modules/check/verdict.h"
#include "modules/mig.h"

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

// Of all inputs' descriptors, the first.
constexpr int kFirstInputFd = 3;
constexpr int kMaxInputs = kMaxBlobs + 1;

absl::StatusOr<std::string> ReadInput(const ipc::Input& input, int fd) {
  if (input.size() > kMaxBlobBytes) {
    return absl::InvalidArgumentError(StrCat("over ", kMaxBlobBytes, " bytes"));
  }
  std::string content(input.size(), '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t count =
        ::pread(fd, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus("read", errno);
    if (count == 0) return absl::DataLossError("ends early");
    done += static_cast<size_t>(count);
  }
  if (Sha256(content) != input.sha256()) {
    return absl::DataLossError("its content is not what its SHA-256 says");
  }
  return content;
}

absl::Status ParseInto(const ipc::Job& job, const std::string& text,
                       google::protobuf::Message* parameters) {
  switch (job.format()) {
    case ipc::Job::FORMAT_PROTO:
      return Annotate(ParseStrict(text, kMaxFrameBytes, parameters), "parameters");
    case ipc::Job::FORMAT_JSON:
      return ParseJson(text, parameters);
    default:
      return absl::InvalidArgumentError("the job names no format for its parameters");
  }
}

absl::Status RunAndReport(const Module& module, const google::protobuf::Message& parameters,
                          RowStream& stream) {
  if (absl::Status status = RunModule(module, parameters, stream); !status.ok()) {
    return stream.Fail(ipc::Failed::KIND_MODULE_ERROR, ToStd(status.message()));
  }
  return stream.Finish();
}

// The same, between MIG's form of parameters and of results.
absl::Status RunMigJob(const ipc::Job& job, const std::string& text, RowStream& stream) {
  const MigModule* mig = FindMigModule(job.module());
  if (mig == nullptr) {
    return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS,
                       StrCat("this worker has no MIG module '", job.module(), "'"));
  }
  const absl::StatusOr<MigJson> json = ParseStrictJson(text);
  if (!json.ok()) {
    return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS,
                       StrCat("parameters: ", json.status().message()));
  }
  const auto parameters = mig->TranslateParameters(*json);
  absl::Status valid = parameters.status();
  if (valid.ok()) valid = mig->module().Validate(**parameters);
  if (!valid.ok()) {
    return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS, ToStd(valid.message()));
  }
  if (job.privacy()) {
    if (absl::Status status = mig->module().ValidateForPrivacy(**parameters); !status.ok()) {
      return stream.Fail(ipc::Failed::KIND_PRIVACY, ToStd(status.message()));
    }
  }
  MigRun run(mig->NewElements(*json), stream);
  const absl::Status status = RunModule(mig->module(), **parameters, run);
  run.WriteDocument(status);
  if (!status.ok()) {
    return stream.Fail(ipc::Failed::KIND_MODULE_ERROR, ToStd(status.message()));
  }
  return stream.Finish();
}

// The rows stay here, and their verdict goes out.
absl::Status RunCheck(const check::v1::Check& check, const Module& module,
                      const google::protobuf::Message& parameters, RowStream& stream) {
  const auto run = VerdictRun::Create(check, module.NewRow()->GetDescriptor(), stream);
  if (!run.ok()) {
    return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS,
                       StrCat("check ", check.id(), ": ", run.status().message()));
  }
  const absl::Status status = RunModule(module, parameters, **run);
  stream.EmitRow((*run)->Decide(status));
  return stream.Finish();
}

// What the process was started with and no job names: a directory among it would be
// a way out of the job's root.
void CloseAllButInputs(const ipc::Job& job) {
  const int inputs = std::min(job.inputs_size(), kMaxInputs);
  ::close_range(static_cast<unsigned>(kFirstInputFd + inputs), ~0U, 0);
}

// The parameters as they were given: in the frame, or by the first descriptor.
absl::StatusOr<std::string> ParameterText(const ipc::Job& job) {
  if (job.inputs_size() > kMaxInputs) {
    return absl::InvalidArgumentError(StrCat("at most ", kMaxInputs, " inputs"));
  }
  if (job.inputs().empty() || !job.inputs(0).field().empty()) return job.parameters();
  if (!job.parameters().empty()) return absl::InvalidArgumentError("parameters: given twice");
  absl::StatusOr<std::string> text = ReadInput(job.inputs(0), kFirstInputFd);
  if (!text.ok()) return Annotate(text.status(), "parameters");
  return text;
}

}  // namespace

absl::Status LockInForModule(const ModuleManifest& manifest, const std::string& root,
                             bool allow_missing_walls) {
  if (!root.empty() && manifest.needs_running_system) {
    return absl::FailedPreconditionError(
        StrCat(manifest.name, ": an unpacked image has no running system"));
  }
  sandbox::LockIn policy;
  if (!root.empty()) policy.InRoot(root);
  policy.AllowReadBeneath("/").AllowSyscalls(sandbox::SyscallList::kReadAndCompute);
  const ModulePowers& powers = manifest.powers;
  // Who lists the host's sockets stands in its network, and needs none of its own.
  if (manifest.network == NetworkAccess::kHost && !powers.inspect_networks &&
      !powers.inspect_firewall) {
    policy.Allow(sandbox::HostNetwork());
  } else {
    policy.DenyNetwork();
  }
  if (powers.inspect_processes) policy.Allow(sandbox::ProcessInspection());
  if (powers.inspect_networks) policy.Allow(sandbox::NetworkInspection());
  if (powers.inspect_firewall) policy.Allow(sandbox::FirewallInspection());
  if (powers.icmp_sockets) policy.Allow(sandbox::IcmpSockets());
  if (allow_missing_walls) policy.Allow(sandbox::MissingWalls());
  return policy.Enter();
}

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ReadParameters(const ipc::Job& job,
                                                                          const Module& module) {
  std::unique_ptr<google::protobuf::Message> parameters = module.NewParameters();
  DRAGNET_ASSIGN_OR_RETURN(const std::string text, ParameterText(job));
  DRAGNET_RETURN_IF_ERROR(ParseInto(job, text, parameters.get()));
  for (int i = 0; i < job.inputs_size(); ++i) {
    const ipc::Input& input = job.inputs(i);
    if (input.field().empty()) continue;
    absl::StatusOr<std::string> value = ReadInput(input, kFirstInputFd + i);
    if (!value.ok()) return Annotate(value.status(), StrCat("blob for ", input.field()));
    DRAGNET_RETURN_IF_ERROR(InsertBlob(input.field(), *std::move(value), parameters.get()));
  }
  return parameters;
}

absl::Status RunJob(const ipc::Job& job, int output, bool allow_missing_walls) {
  RowStream stream(output, job.format());
  const bool in_migs_form = job.format() == ipc::Job::FORMAT_MIG;
  const ModuleManifest* manifest =
      in_migs_form ? FindManifestOfMig(job.module()) : FindManifest(job.module());
  const Module* module = manifest == nullptr ? nullptr : FindModule(manifest->name);
  if (module == nullptr) {
    return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS,
                       StrCat("this worker has no module '", job.module(), "'"));
  }
  // Before a byte of the parameters is looked at: the walls depend on the
  // module alone, so what a hostile parameter can do is what the module may do.
  CloseAllButInputs(job);
  if (absl::Status status = LockInForModule(*manifest, job.root(), allow_missing_walls);
      !status.ok()) {
    return stream.Fail(ipc::Failed::KIND_SANDBOX, ToStd(status.message()));
  }
  if (in_migs_form) {
    if (job.has_check()) {
      return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS, "MIG's form knows no checks");
    }
    const absl::StatusOr<std::string> text = ParameterText(job);
    if (!text.ok()) {
      return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS, ToStd(text.status().message()));
    }
    return RunMigJob(job, *text, stream);
  }
  const auto parameters = ReadParameters(job, *module);
  absl::Status valid = parameters.status();
  if (valid.ok()) valid = module->Validate(**parameters);
  if (!valid.ok()) {
    return stream.Fail(ipc::Failed::KIND_INVALID_PARAMETERS, ToStd(valid.message()));
  }
  if (job.privacy()) {
    if (absl::Status status = module->ValidateForPrivacy(**parameters); !status.ok()) {
      return stream.Fail(ipc::Failed::KIND_PRIVACY, ToStd(status.message()));
    }
  }
  if (job.has_check()) return RunCheck(job.check(), *module, **parameters, stream);
  return RunAndReport(*module, **parameters, stream);
}

}  // namespace dragnet
