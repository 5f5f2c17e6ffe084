// The module `file`: see file.proto for what it does.
//
//   search.h   parameters, checked and compiled     filters.h pattern.h byte_syntax.h
//   run.h      roots and scopes of the searches     walk.h    the tree      pool.h
//   examine.h  one file, cheapest facts first       content.h digest.h open.h
//   match.h    whether a search's filters hold      report.h  rows and limits
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/file/file.pb.h"
#include "modules/file/run.h"
#include "modules/file/search.h"
#include "modules/module.h"

namespace dragnet {

extern const ModuleManifest kFileManifest;

namespace file {
namespace {

absl::StatusOr<CompiledSearches> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::FileParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module file are a ",
                                             v1::FileParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearches(*typed);
}

class FileModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kFileManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::FileParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::FileRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status ValidateForPrivacy(const google::protobuf::Message& parameters) const override {
    const auto* typed = dynamic_cast<const v1::FileParameters*>(&parameters);
    if (typed == nullptr) return absl::OkStatus();
    for (const v1::Search& search : typed->searches()) {
      if (search.lines() != 0) {
        return absl::PermissionDeniedError(
            "lines: returns content of files, which privacy mode keeps on the host");
      }
      if (!search.yara().empty() && !search.yara_no_bytes()) {
        return absl::PermissionDeniedError(
            "yara: returns the bytes that matched, which privacy mode keeps on the host; set "
            "yara_no_bytes");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const CompiledSearches searches, Compile(parameters));
    RunSearches(searches, absl::Now(), context,
                searches.threads != 0 ? searches.threads : DefaultThreads());
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace file

const Module& FileModule() {
  static const file::FileModuleImplementation module;
  return module;
}

}  // namespace dragnet
