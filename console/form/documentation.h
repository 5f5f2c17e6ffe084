// The comments of a .proto file, which are the user's documentation of a
// module. Immutable after construction, so thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::console {

class Documentation {
 public:
  // A serialised FileDescriptorSet with source info, as ModuleDescriptorSet
  // (modules/module.h) gives: the module's own file is the last of it.
  static absl::StatusOr<Documentation> FromDescriptorSet(std::string_view serialised);

  // The comment over (or else behind) a message, field, enum or enum value, by
  // full name: "dragnet.modules.file.Parameters.path". Lines of a paragraph are
  // joined; a line that starts with a space is an example and stays a line of
  // its own. Empty if there is no comment.
  const std::string& Of(std::string_view full_name) const;

  // The comment at the head of the module's own file: what the module is for.
  const std::string& Introduction() const { return introduction_; }

 private:
  std::map<std::string, std::string, std::less<>> comments_;
  std::string introduction_;
};

// The first paragraph of a longer text, and the second if it is an example.
std::string Opening(std::string_view text);

// "Directory or file to start at." of a longer text. Knows that "e.g." and
// "i.e." end no sentence.
std::string FirstSentence(std::string_view text);

}  // namespace dragnet::console
