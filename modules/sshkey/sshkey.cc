// The module `sshkey`: see sshkey.proto for what it does.
//
//   params.h       parameters, checked            tree.h         the files
//   key_file.h     the keys in one of them        key_line.h     authorized_keys, .pub
//   private_key.h  private_der.h der.h            public_key.h   fingerprints, certificates
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/sshkey/params.h"
#include "modules/sshkey/sshkey.pb.h"
#include "modules/sshkey/tree.h"

namespace dragnet {

extern const ModuleManifest kSshkeyManifest;

namespace sshkey {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::SshkeyParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module sshkey are a ",
                                             v1::SshkeyParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

class SshkeyModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kSshkeyManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::SshkeyParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::SshkeyRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status ValidateForPrivacy(const google::protobuf::Message& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    if (search.no_text) return absl::OkStatus();
    return absl::PermissionDeniedError(
        "no_text: without it comments, options and host names of key files are returned, which "
        "privacy mode keeps on the host; set no_text");
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    SearchTrees(search, context);
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace sshkey

const Module& SshkeyModule() {
  static const sshkey::SshkeyModuleImplementation module;
  return module;
}

}  // namespace dragnet
