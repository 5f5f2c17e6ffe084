// A YAML value as a protobuf message, field by field, so that an error has the place
// of the very value. Fields go by their names in the .proto; what a value means goes
// by the field's type. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "console/packs/problems.h"
#include "console/packs/yaml_node.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

// The content of a file that a pack names. InvalidArgument for one of more than
// `max_bytes`. Errors are without its name.
using NamedFileReader =
    std::function<absl::StatusOr<std::string>(const std::string& name, size_t max_bytes)>;

// Whether the field's text can be made of advisories (advisories/import.h):
// {advisories: NAME} in its place.
bool TakesAdvisories(const google::protobuf::FieldDescriptor* field);

// False, with errors, for what isn't a `message`. `path` is the node's own.
bool MessageFromYaml(const YamlNode& node, std::string_view path, const NamedFileReader& read_file,
                     google::protobuf::Message* message, Problems* problems);

}  // namespace dragnet::console
