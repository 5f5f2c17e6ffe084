// The module `netstat`: see netstat.proto for what it does.
//
//   search.h      parameters, checked and compiled      match.h address.h fact.h
//   processes.h   who holds which socket                proc_files.h users.h
//   namespaces.h  netlink sockets in every namespace
//   netlink.h     messages and dumps                    sock_diag.h rtnetlink.h
//   run.h         one run                               report.h  rows and limits
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/netstat/netstat.pb.h"
#include "modules/netstat/run.h"
#include "modules/netstat/search.h"

namespace dragnet {

extern const ModuleManifest kNetstatManifest;

namespace netstat {
namespace {

absl::StatusOr<std::vector<Search>> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::NetstatParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module netstat are a ",
                                             v1::NetstatParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearches(*typed);
}

class NetstatModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kNetstatManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::NetstatParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::NetstatRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<Search> searches, Compile(parameters));
    return RunSearches(searches, RunOptions(), context);
  }
};

}  // namespace
}  // namespace netstat

const Module& NetstatModule() {
  static const netstat::NetstatModuleImplementation module;
  return module;
}

}  // namespace dragnet
