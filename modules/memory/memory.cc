// The module `memory`: see memory.proto for what it does.
//
//   search.h   parameters, checked and compiled   byte_regex.h hex_pattern.h
//   run.h      all processes, rows                process.h    what /proc tells
//   examine.h  one process, cheapest facts first  maps.h       its memory's regions
//   memory_walk.h  its memory, block by block     reader.h     scanner.h
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/memory/memory.pb.h"
#include "modules/memory/run.h"
#include "modules/memory/search.h"
#include "modules/module.h"

namespace dragnet {

extern const ModuleManifest kMemoryManifest;

namespace memory {
namespace {

absl::StatusOr<const v1::MemoryParameters*> Typed(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::MemoryParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module memory are a ",
                                             v1::MemoryParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return typed;
}

class MemoryModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kMemoryManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::MemoryParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::MemoryRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const v1::MemoryParameters* typed, Typed(parameters));
    return CompileSearches(*typed).status();
  }

  absl::Status ValidateForPrivacy(const google::protobuf::Message& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const v1::MemoryParameters* typed, Typed(parameters));
    return CheckPrivacy(*typed);
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const v1::MemoryParameters* typed, Typed(parameters));
    DRAGNET_ASSIGN_OR_RETURN(const CompiledSearches searches, CompileSearches(*typed));
    return RunSearches(searches, context);
  }
};

}  // namespace
}  // namespace memory

const Module& MemoryModule() {
  static const memory::MemoryModuleImplementation module;
  return module;
}

}  // namespace dragnet
