// The module `secrets`: see secrets.proto for what it does.
//
//   params.h         parameters, checked         tree.h        the files, and rows
//   file_kind.h      what a file is known as     scanner.h     all detectors over a text
//   tokens.h         formats of services         private_keys.h
//   named_values.h   NAME=VALUE                  known_files.h  .netrc, histories, …
//   randomness.h     what looks like a secret    fingerprint.h
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/file/run.h"
#include "modules/module.h"
#include "modules/secrets/params.h"
#include "modules/secrets/secrets.pb.h"
#include "modules/secrets/tree.h"

namespace dragnet {

extern const ModuleManifest kSecretsManifest;

namespace secrets {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::SecretsParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module secrets are a ",
                                             v1::SecretsParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

// Allowed in privacy mode: rows have nothing of what is in a file.
class SecretsModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kSecretsManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::SecretsParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::SecretsRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    SearchTrees(search, context, file::DefaultThreads());
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace secrets

const Module& SecretsModule() {
  static const secrets::SecretsModuleImplementation module;
  return module;
}

}  // namespace dragnet
