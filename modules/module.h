// The interface that every module implements, and the registry of them.
//
// A module is one folder: <name>.proto (parameters and rows; its comments are
// the user's documentation), manifest.cc, <name>.cc, tests. It is registered by
// one line in modules/CMakeLists.txt.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "modules/manifest.h"

namespace dragnet {

// Where a running module puts what it finds. Thread-safe: a module may report
// from several threads.
class RunContext {
 public:
  virtual ~RunContext() = default;

  // One finding; `row` is the module's row message. False when the run should
  // end (a limit was reached, the reader is gone): return from Run soon, OK.
  virtual bool EmitRow(const google::protobuf::Message& row) = 0;

  virtual void AddExamined(uint64_t items, uint64_t bytes) = 0;

  // Something was not looked at that could have been a finding. `reason` is a
  // constant or the system's words; `example` names the item (a path, a pid).
  // The counts are kept by reason, and the first few examples of each.
  virtual void NoteUnexamined(std::string_view reason, std::string_view example) = 0;

  // A limit in the parameters ended the search early.
  virtual void NoteLimitHit(std::string_view what) = 0;

  // True when EmitRow has returned false to anyone.
  virtual bool stopping() const = 0;
};

// Stateless and thread-safe; one instance per program.
class Module {
 public:
  virtual ~Module() = default;

  virtual const ModuleManifest& manifest() const = 0;

  // Empty messages of the module's own types.
  virtual std::unique_ptr<google::protobuf::Message> NewParameters() const = 0;
  virtual std::unique_ptr<google::protobuf::Message> NewRow() const = 0;

  // Whether `parameters` can run: regexes compile, sizes parse, values are in
  // range. InvalidArgument names the field and what to do. Called by the
  // console before signing and by the worker before running. Touches nothing
  // of the host.
  virtual absl::Status Validate(const google::protobuf::Message& parameters) const = 0;

  // Whether `parameters` may run on a host in privacy mode (`privacy = true` in
  // agent.toml), where content of files, memory or messages must not leave the
  // host. PermissionDenied names the field that would return some.
  virtual absl::Status ValidateForPrivacy(const google::protobuf::Message&) const {
    return absl::OkStatus();
  }

  // Runs on this host; `parameters` passed Validate. What can't be read is
  // noted in `context`, not returned: an error means that the whole run failed.
  virtual absl::Status Run(const google::protobuf::Message& parameters,
                           RunContext& context) const = 0;
};

std::span<const Module* const> AllModules();
// Null when there is none of this name.
const Module* FindModule(std::string_view name);

// The module's .proto with its comments: a serialised FileDescriptorSet that
// has source info. For help texts and forms.
std::string_view ModuleDescriptorSet(std::string_view name);

}  // namespace dragnet
