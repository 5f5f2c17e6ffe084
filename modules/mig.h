// MIG's form of a module: its parameters in, its results out. A module folder
// that has a mig.cc translates itself; `dragnet run --mig` uses the first half
// at the console, `dragnet-agent module NAME --mig` both, in the worker.
//
// Source of the form: MIG's documentation of modules (doc/concepts.rst and
// modules/*/doc.rst of mozilla/mig), and the pairs that were observed of its
// agent. docs/mig.md lists where Dragnet's answers differ on purpose.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "modules/module.h"
#include "nlohmann/json.hpp"

namespace dragnet {

// MIG's JSON keeps the order of its keys.
using MigJson = nlohmann::ordered_json;

// What a run reports besides rows; as ModuleSummary has it.
struct MigStatistics {
  uint64_t items_examined = 0;
  uint64_t bytes_examined = 0;
  // What was noted as not looked at.
  uint64_t items_unexamined = 0;
  double seconds = 0;
};

// Gathers the rows of one run into MIG's `elements`. Not thread-safe.
class MigElements {
 public:
  virtual ~MigElements() = default;
  virtual void Add(const google::protobuf::Message& row) = 0;
  // After the last row.
  virtual MigJson Elements() = 0;
  // After the last row; nothing: `foundanything` is whether there was a row.
  virtual std::optional<bool> FoundAnything() const { return std::nullopt; }
  virtual MigJson Statistics(const MigStatistics& statistics) = 0;
};

// Stateless and thread-safe; one instance per program.
class MigModule {
 public:
  virtual ~MigModule() = default;

  // As MIG calls it.
  virtual std::string_view name() const = 0;
  // The module that does the work.
  virtual const Module& module() const = 0;
  // InvalidArgument names the key that is unknown, stale or can't be translated,
  // and what to write instead. Never drops one silently.
  virtual absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const = 0;
  // `parameters` as they were translated.
  virtual std::unique_ptr<MigElements> NewElements(const MigJson& parameters) const = 0;
};

// As Go writes a duration, and so MIG: 810.997µs, 5.278116ms, 1m2.5s.
std::string GoDuration(absl::Duration duration);
std::string GoDuration(double seconds);

std::vector<const MigModule*> AllMigModules();
// Null when there is none of this name.
const MigModule* FindMigModule(std::string_view name);

}  // namespace dragnet
