// The module `pkg`: see pkg.proto for what it does.
//
//   query.h    parameters, checked and compiled     version_compare.h
//   run.h      roots, filters, files and rows       verify.h checksum.h
//   package.h  what all databases give              dpkg.cc apk.cc rpm.cc
//   root.h     paths that stay within a root        line_reader.h deb822.h
//   rpm_database.h rpm_header.h  RPM's databases
//   ecosystem.h  Python, Node, Go                   go_buildinfo.h
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/pkg/pkg.pb.h"
#include "modules/pkg/query.h"
#include "modules/pkg/run.h"

namespace dragnet {

extern const ModuleManifest kPkgManifest;

namespace pkg {
namespace {

absl::StatusOr<Query> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::PkgParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module pkg are a ",
                                             v1::PkgParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return Query::Compile(*typed);
}

class PkgModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kPkgManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::PkgParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::PkgRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Query query, Compile(parameters));
    RunQuery(query, context);
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace pkg

const Module& PkgModule() {
  static const pkg::PkgModuleImplementation module;
  return module;
}

}  // namespace dragnet
