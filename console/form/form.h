// A module's parameter message as a form: one entry per thing that a person
// fills in, made from the message's .proto by reflection. The command line
// turns the entries into flags; a screen can turn them into input fields.
// Immutable after construction, so thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "console/form/documentation.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

struct FormField {
  // From the parameter message down. A repeated message on the way (flattened)
  // stands for its first element.
  std::vector<const google::protobuf::FieldDescriptor*> path;
  // Long flag without dashes: "max-depth".
  std::string flag;
  // One letter, or empty.
  std::string short_flag;
  // "PATH", "REGEX", "N"; empty for a switch.
  std::string value_name;
  // The whole comment.
  std::string documentation;
  // May be given several times.
  bool repeated = false;
  // A bool: no value means true.
  bool is_switch = false;
  // Its value is the content of a file of this machine, which the flag names.
  bool from_file = false;
  // What an enum takes, in the order of the .proto.
  std::vector<std::string> choices;

  const google::protobuf::FieldDescriptor* field() const { return path.back(); }
};

class Form {
 public:
  // Fields that can't be flags (CliOptions.hidden, and messages that are
  // neither flattened nor times nor durations) are left out: they are for JSON.
  static Form Of(const google::protobuf::Descriptor* parameters,
                 const Documentation& documentation);

  const std::vector<FormField>& fields() const { return fields_; }
  const FormField* Find(std::string_view flag) const;

  // Puts the flag's name where a message about parameters begins with a field's,
  // e.g. "searches[0].names[1] 'a(' misses )" becomes "--name 'a(' misses )".
  std::string NameFlags(std::string_view message) const;

 private:
  std::vector<FormField> fields_;
};

// Sets, or for a repeated field adds, one value. InvalidArgument, with what was
// expected, for text that isn't one. `now` is what relative times count from.
absl::Status SetField(const FormField& field, std::string_view text, absl::Time now,
                      google::protobuf::Message* parameters);

// `json` into `message`, strictly: an unknown key is an error.
absl::Status MessageFromJson(std::string_view json, google::protobuf::Message* message);

}  // namespace dragnet::console
