#include "console/form/documentation.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/strings.h"
#include "google/protobuf/descriptor.pb.h"

namespace dragnet::console {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FileDescriptorProto;
using Path = std::vector<int>;

// Field numbers of descriptor.proto, which is what paths are made of.
enum : int { kFileMessage = 4, kFileEnum = 5, kFileSyntax = 12 };
enum : int { kMessageField = 2, kMessageNested = 3, kMessageEnum = 4 };
enum : int { kEnumValue = 2 };

std::string Reflow(std::string_view comment) {
  std::string text;
  bool joinable = false;
  if (comment.ends_with('\n')) comment.remove_suffix(1);
  for (absl::string_view line : absl::StrSplit(ToAbsl(comment), '\n')) {
    absl::ConsumePrefix(&line, " ");
    line = absl::StripTrailingAsciiWhitespace(line);
    const bool plain = !line.empty() && line.front() != ' ';
    if (plain && joinable) {
      text.push_back(' ');
    } else if (!text.empty()) {
      text.push_back('\n');
    }
    text.append(ToStd(line));
    joinable = plain;
  }
  absl::StripTrailingAsciiWhitespace(&text);
  return text;
}

class Collector {
 public:
  Collector(const FileDescriptorProto& file, std::map<std::string, std::string, std::less<>>* out,
            std::string* introduction)
      : out_(out) {
    for (const auto& location : file.source_code_info().location()) {
      const std::string& comment = location.leading_comments().empty()
                                       ? location.trailing_comments()
                                       : location.leading_comments();
      if (comment.empty()) continue;
      by_path_[Path(location.path().begin(), location.path().end())] = Reflow(comment);
    }
    *introduction = by_path_[{kFileSyntax}];
    const std::string& scope = file.package();
    for (int i = 0; i < file.message_type_size(); ++i)
      Add(file.message_type(i), scope, {kFileMessage, i});
    for (int i = 0; i < file.enum_type_size(); ++i) Add(file.enum_type(i), scope, {kFileEnum, i});
  }

 private:
  static Path Below(Path path, int field, int index) {
    path.push_back(field);
    path.push_back(index);
    return path;
  }

  void Keep(const std::string& name, const Path& path) {
    const auto comment = by_path_.find(path);
    if (comment != by_path_.end()) (*out_)[name] = comment->second;
  }

  void Add(const DescriptorProto& message, const std::string& scope, const Path& path) {
    const std::string name = StrCat(scope, ".", message.name());
    Keep(name, path);
    for (int i = 0; i < message.field_size(); ++i)
      Keep(StrCat(name, ".", message.field(i).name()), Below(path, kMessageField, i));
    for (int i = 0; i < message.nested_type_size(); ++i)
      Add(message.nested_type(i), name, Below(path, kMessageNested, i));
    for (int i = 0; i < message.enum_type_size(); ++i)
      Add(message.enum_type(i), name, Below(path, kMessageEnum, i));
  }

  // Enum values are named beside their enum in protobuf, but here below it.
  void Add(const EnumDescriptorProto& type, const std::string& scope, const Path& path) {
    const std::string name = StrCat(scope, ".", type.name());
    Keep(name, path);
    for (int i = 0; i < type.value_size(); ++i)
      Keep(StrCat(scope, ".", type.value(i).name()), Below(path, kEnumValue, i));
  }

  std::map<std::string, std::string, std::less<>>* out_;
  std::map<Path, std::string> by_path_;
};

}  // namespace

absl::StatusOr<Documentation> Documentation::FromDescriptorSet(std::string_view serialised) {
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromArray(serialised.data(), static_cast<int>(serialised.size()))) {
    return absl::InternalError("a module's embedded descriptor set can't be parsed");
  }
  Documentation documentation;
  for (const FileDescriptorProto& file : set.file()) {
    if (file.name().starts_with("google/protobuf/")) continue;
    Collector(file, &documentation.comments_, &documentation.introduction_);
  }
  return documentation;
}

const std::string& Documentation::Of(std::string_view full_name) const {
  static const std::string none;
  const auto comment = comments_.find(full_name);
  return comment == comments_.end() ? none : comment->second;
}

std::string Opening(std::string_view text) {
  const size_t first_end = text.find("\n\n");
  if (first_end == std::string_view::npos) return std::string(text);
  const size_t second = first_end + 2;
  const size_t second_end = std::min(text.find("\n\n", second), text.size());
  const bool has_example =
      text.substr(second, second_end - second).find("\n ") != std::string_view::npos ||
      text.substr(second).starts_with(' ');
  return std::string(text.substr(0, has_example ? second_end : first_end));
}

std::string FirstSentence(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  for (size_t dot = text.find(". "); dot != std::string_view::npos;
       dot = text.find(". ", dot + 1)) {
    const std::string_view before = text.substr(0, dot + 1);
    if (before.ends_with(".g.") || before.ends_with(".e.")) continue;
    return std::string(before);
  }
  return std::string(text);
}

}  // namespace dragnet::console
