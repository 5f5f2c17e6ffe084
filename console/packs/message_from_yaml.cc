#include "console/packs/message_from_yaml.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "console/form/values.h"
#include "console/packs/advisories/import.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"
#include "dragnet/v1/options.pb.h"
#include "modules/rows/columns.h"

namespace dragnet::console {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxQuotedBytes = 100;
constexpr size_t kMaxNamesListed = 40;

bool IsDuration(const FieldDescriptor* field) {
  return field->message_type()->full_name() == "google.protobuf.Duration";
}
bool IsTime(const FieldDescriptor* field) {
  return field->message_type()->full_name() == "google.protobuf.Timestamp";
}

class Filler {
 public:
  Filler(const NamedFileReader& read_file, Problems* problems)
      : read_file_(read_file), problems_(problems) {}

  bool Fill(const YamlNode& node, std::string_view path, Message* message) {
    if (!node.is_mapping()) {
      return Wrong(
          node, path,
          StrCat("must be a mapping of ", FieldNames(*message), ", not ", node.KindName()));
    }
    bool good = true;
    for (size_t i = 0; i < node.items.size(); ++i) {
      const YamlNode& key = node.keys[i];
      const std::string below = StrCat(path, ".", key.text);
      const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(key.text);
      if (field == nullptr) {
        good = UnknownField(key, below, *message);
      } else {
        good = FillField(node.items[i], below, field, message) && good;
      }
    }
    return good;
  }

 private:
  bool Wrong(const YamlNode& node, std::string_view path, std::string_view what) {
    problems_->Error(node.place, path, what);
    return false;
  }

  bool NotA(const YamlNode& node, std::string_view path, std::string_view what) {
    const std::string value = node.is_scalar()
                                  ? StrCat("\"", Shorten(node.text, kMaxQuotedBytes), "\"")
                                  : std::string(node.KindName());
    return Wrong(node, path, StrCat(value, " is not ", what));
  }

  static std::vector<std::string> Names(const Message& message) {
    std::vector<std::string> names;
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i)
      names.push_back(message.GetDescriptor()->field(i)->name());
    return names;
  }

  static std::string FieldNames(const Message& message) {
    std::vector<std::string> names = Names(message);
    if (names.empty()) return "nothing";
    if (names.size() > kMaxNamesListed) {
      names.resize(kMaxNamesListed);
      names.push_back("…");
    }
    return absl::StrJoin(names, ", ");
  }

  bool UnknownField(const YamlNode& key, std::string_view path, const Message& message) {
    const std::string meant = DidYouMean(key.text, Names(message));
    return Wrong(
        key, path,
        StrCat("unknown key", meant, meant.empty() ? "; allowed: " + FieldNames(message) : ""));
  }

  bool FillField(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
                 Message* message) {
    const auto* oneof = field->real_containing_oneof();
    const FieldDescriptor* other =
        oneof == nullptr ? nullptr
                         : message->GetReflection()->GetOneofFieldDescriptor(*message, oneof);
    if (other != nullptr) {
      return Wrong(node, path, StrCat("can't be given together with ", other->name()));
    }
    if (field->is_map()) return FillMap(node, path, field, message);
    if (!field->is_repeated()) return FillValue(node, path, field, message);
    // A list of one without the list.
    if (!node.is_list()) return FillValue(node, path, field, message);
    bool good = true;
    for (size_t i = 0; i < node.items.size(); ++i)
      good = FillValue(node.items[i], StrCat(path, "[", i, "]"), field, message) && good;
    return good;
  }

  bool FillMap(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
               Message* message) {
    if (!node.is_mapping()) return NotA(node, path, "a mapping");
    bool good = true;
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::string below = StrCat(path, ".", node.keys[i].text);
      Message* entry = message->GetReflection()->AddMessage(message, field);
      good = FillValue(node.keys[i], below, field->message_type()->map_key(), entry) && good;
      good = FillValue(node.items[i], below, field->message_type()->map_value(), entry) && good;
    }
    return good;
  }

  template <class Value, class Set, class Add>
  static bool Put(const FieldDescriptor* field, Message* message, const Value& value, Set set,
                  Add add) {
    const Reflection& reflection = *message->GetReflection();
    if (field->is_repeated()) {
      (reflection.*add)(message, field, value);
    } else {
      (reflection.*set)(message, field, value);
    }
    return true;
  }

  template <class Number, class Set, class Add>
  bool FillInteger(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
                   Message* message, Set set, Add add) {
    Number number;
    if (!node.is_scalar() || !absl::SimpleAtoi(node.text, &number)) {
      return NotA(node, path,
                  std::is_signed_v<Number> ? "a whole number that fits"
                                           : "a whole number of at least 0 that fits");
    }
    return Put(field, message, number, set, add);
  }

  bool FillBool(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
                Message* message) {
    if (node.kind != YamlNode::Kind::kPlain || (node.text != "true" && node.text != "false")) {
      return NotA(node, path, "true or false");
    }
    return Put(field, message, node.text == "true", &Reflection::SetBool, &Reflection::AddBool);
  }

  bool FillDouble(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
                  Message* message) {
    double number;
    if (!node.is_scalar() || !absl::SimpleAtod(node.text, &number) || !std::isfinite(number)) {
      return NotA(node, path, "a number");
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      return Put(field, message, static_cast<float>(number), &Reflection::SetFloat,
                 &Reflection::AddFloat);
    }
    return Put(field, message, number, &Reflection::SetDouble, &Reflection::AddDouble);
  }

  bool FillString(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
                  Message* message) {
    std::string value;
    const bool from_file = field->options().GetExtension(v1::cli).from_file();
    if (from_file && node.is_mapping()) {
      const bool read = TakesAdvisories(field) && node.Find("advisories") != nullptr
                            ? ReadAdvisories(node, path, &value)
                            : ReadNamed(node, path, &value);
      if (!read) return false;
    } else if (!node.is_scalar()) {
      return NotA(node, path, from_file ? "a text or {file: NAME}" : "a text");
    } else if (field->type() == FieldDescriptor::TYPE_BYTES) {
      if (!absl::Base64Unescape(node.text, &value)) return NotA(node, path, "base64");
    } else {
      value = node.text;
    }
    if (field->type() == FieldDescriptor::TYPE_STRING && !IsValidUtf8(value)) {
      return Wrong(node, path, "the file is not valid UTF-8");
    }
    const Reflection& reflection = *message->GetReflection();
    if (field->is_repeated()) {
      reflection.AddString(message, field, value);
    } else {
      reflection.SetString(message, field, value);
    }
    return true;
  }

  bool ReadNamed(const YamlNode& node, std::string_view path, std::string* value) {
    const YamlNode* name = node.Find("file");
    if (name == nullptr || node.keys.size() != 1 || !name->is_scalar()) {
      return Wrong(node, path, "must be a text or {file: NAME}");
    }
    absl::StatusOr<std::string> content = read_file_(name->text, kMaxParameterBytes);
    if (!content.ok()) {
      return Wrong(*name, StrCat(path, ".file"),
                   StrCat(Shorten(name->text, kMaxQuotedBytes), ": ", content.status().message()));
    }
    *value = *std::move(content);
    return true;
  }

  // {advisories: FILE} or a list of them, as the list that module pkg takes.
  bool ReadAdvisories(const YamlNode& node, std::string_view path, std::string* value) {
    const YamlNode& names = *node.Find("advisories");
    const std::string below = StrCat(path, ".advisories");
    const std::vector<YamlNode> one = {names};
    std::vector<advisories::AdvisoryFile> files;
    for (const YamlNode& name : names.is_list() ? names.items : one) {
      if (node.keys.size() != 1 || !name.is_scalar()) {
        return Wrong(node, path, "must be a text, {file: NAME}, or {advisories: NAME or NAMES}");
      }
      absl::StatusOr<std::string> content = read_file_(name.text, advisories::kMaxFileBytes);
      if (!content.ok()) {
        return Wrong(name, below,
                     StrCat(Shorten(name.text, kMaxQuotedBytes), ": ", content.status().message()));
      }
      files.push_back({.name = name.text, .content = *std::move(content)});
    }
    absl::StatusOr<advisories::ImportedAdvisories> imported = advisories::ImportAdvisories(files);
    if (!imported.ok()) return Wrong(names, below, ToStd(imported.status().message()));
    for (const advisories::LeftOut& left : imported->left_out) {
      problems_->Warning(names.place, below, StrCat("left out: ", left.what, ": ", left.why));
    }
    value->swap(*imported->parameters.mutable_vulnerable());
    if (value->size() > kMaxParameterBytes) {
      return Wrong(names, below,
                   StrCat("makes a list of ", value->size() >> 10, " KiB; at most ",
                          kMaxParameterBytes >> 10, ": import only what these hosts have"));
    }
    return true;
  }

  bool FillEnum(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
                Message* message) {
    std::vector<std::string> words;
    const std::string word = absl::StrReplaceAll(absl::AsciiStrToLower(node.text), {{"_", "-"}});
    for (int i = 0; i < field->enum_type()->value_count(); ++i) {
      const auto* value = field->enum_type()->value(i);
      // The zero value says that nothing was chosen.
      if (EnumWord(value) == "unspecified") continue;
      words.push_back(EnumWord(value));
      if (node.is_scalar() && (node.text == value->name() || word == words.back())) {
        return Put(field, message, value->number(), &Reflection::SetEnumValue,
                   &Reflection::AddEnumValue);
      }
    }
    return NotA(node, path,
                StrCat("one of: ", absl::StrJoin(words, ", "),
                       node.is_scalar() ? DidYouMean(word, words) : ""));
  }

  bool FillMessageValue(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
                        Message* message) {
    const Reflection& reflection = *message->GetReflection();
    Message* value = field->is_repeated() ? reflection.AddMessage(message, field)
                                          : reflection.MutableMessage(message, field);
    if (IsDuration(field)) {
      const absl::StatusOr<absl::Duration> duration =
          node.is_scalar() ? ParseDuration(node.text) : absl::InvalidArgumentError("");
      if (!duration.ok()) return NotA(node, path, "a duration like 90s, 5m or 1h30m");
      value->ParseFromString(ToProtoDuration(*duration).SerializeAsString());
      return true;
    }
    if (IsTime(field)) {
      absl::Time time;
      std::string error;
      if (!node.is_scalar() || !absl::ParseTime(absl::RFC3339_full, node.text, &time, &error)) {
        return NotA(node, path, "a time like 2024-05-01T10:00:00Z");
      }
      value->ParseFromString(ToTimestamp(time).SerializeAsString());
      return true;
    }
    return Fill(node, path, value);
  }

  bool FillValue(const YamlNode& node, std::string_view path, const FieldDescriptor* field,
                 Message* message) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return FillInteger<int32_t>(node, path, field, message, &Reflection::SetInt32,
                                    &Reflection::AddInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return FillInteger<int64_t>(node, path, field, message, &Reflection::SetInt64,
                                    &Reflection::AddInt64);
      case FieldDescriptor::CPPTYPE_UINT32:
        return FillInteger<uint32_t>(node, path, field, message, &Reflection::SetUInt32,
                                     &Reflection::AddUInt32);
      case FieldDescriptor::CPPTYPE_UINT64:
        return FillInteger<uint64_t>(node, path, field, message, &Reflection::SetUInt64,
                                     &Reflection::AddUInt64);
      case FieldDescriptor::CPPTYPE_BOOL:
        return FillBool(node, path, field, message);
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return FillDouble(node, path, field, message);
      case FieldDescriptor::CPPTYPE_STRING:
        return FillString(node, path, field, message);
      case FieldDescriptor::CPPTYPE_ENUM:
        return FillEnum(node, path, field, message);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return FillMessageValue(node, path, field, message);
    }
    return false;
  }

  const NamedFileReader& read_file_;
  Problems* const problems_;
};

}  // namespace

bool TakesAdvisories(const FieldDescriptor* field) {
  return field->full_name() == "dragnet.pkg.v1.PkgParameters.vulnerable";
}

bool MessageFromYaml(const YamlNode& node, std::string_view path, const NamedFileReader& read_file,
                     Message* message, Problems* problems) {
  return Filler(read_file, problems).Fill(node, path, message);
}

}  // namespace dragnet::console
