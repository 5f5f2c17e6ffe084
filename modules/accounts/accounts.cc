// The module `accounts`: see accounts.proto for what it does.
//
//   params.h      parameters, checked           run.h              the search
//   departed.h    person_fields.h               the list of people who left
//   users.h       passwd, shadow, group         account_row.h      their rows
//   sudoers.h     sudoers_line.h                sudo rights
//   authorized_keys.h                           logins.h           utmp, wtmp, lastlog, systemd
//   host_files.h  reading, bounded
#include <ctime>

#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/accounts/accounts.pb.h"
#include "modules/accounts/params.h"
#include "modules/accounts/run.h"
#include "modules/module.h"

namespace dragnet {

extern const ModuleManifest kAccountsManifest;

namespace accounts {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::AccountsParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module accounts are a ",
                                             v1::AccountsParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

class AccountsModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kAccountsManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::AccountsParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::AccountsRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status ValidateForPrivacy(const google::protobuf::Message& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    if (search.no_text) return absl::OkStatus();
    return absl::PermissionDeniedError(
        "no_text: without it full names, comments of keys and commands of sudo are returned, "
        "which privacy mode keeps on the host; set no_text");
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    DRAGNET_ASSIGN_OR_RETURN(const pkg::Root root, pkg::Root::Open("/"));
    RunSearch(search, root, std::time(nullptr), context);
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace accounts

const Module& AccountsModule() {
  static const accounts::AccountsModuleImplementation module;
  return module;
}

}  // namespace dragnet
