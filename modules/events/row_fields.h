// Which field of a module's rows is which field of the Elastic Common Schema: one
// table for each module (row_fields.cc). Thread-safe: no state.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "modules/events/document.h"

namespace dragnet::events {

// What becomes of a value on its way.
enum class Conversion {
  // Texts and lists of them as they are; times; numbers as numbers.
  kPlain,
  // A number that ECS has as a text, such as a uid.
  kNumberAsText,
  // Numbers of which 0 means that there is none.
  kNonZero,
  // Only what is an IP address, without a zone; goes into related.ip too.
  kIp,
  // A path, which sets name, directory and extension beside it.
  kFilePath,
  // -rwxr-xr-x as 0755.
  kOctalMode,
  // directory as dir; others as they are.
  kFileType,
  // Also into related.hash.
  kHash,
  // tcp6 as tcp, and network.type ipv6.
  kTransport,
};

struct FieldMapping {
  std::string_view row_field;
  std::string_view ecs_field;
  Conversion conversion = Conversion::kPlain;
};

struct ModuleEvents {
  std::string_view module;
  // event.category: one of ECS's own words.
  std::string_view category;
  const google::protobuf::Message* (*prototype)();
  std::span<const FieldMapping> fields;
};

// Null for a module that has none here.
const ModuleEvents* FindModuleEvents(std::string_view module);
std::span<const ModuleEvents> AllModuleEvents();

// InvalidArgument for bytes that aren't a row of the module, or nest too deeply.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ParseRow(const ModuleEvents& events,
                                                                    std::string_view bytes);

void SetRowFields(const ModuleEvents& events, const google::protobuf::Message& row,
                  Document* document);

}  // namespace dragnet::events
