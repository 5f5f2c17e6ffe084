#include "modules/blobs.h"

#include "absl/strings/numbers.h"
#include "core/action.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Extractor {
 public:
  Extractor(v1::Operation* operation, BlobContents* contents)
      : operation_(operation), contents_(contents) {}

  absl::Status Visit(Message* message, const std::string& prefix) {
    const Reflection& reflection = *message->GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(*message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->is_map()) continue;
      const std::string path = StrCat(prefix, field->name());
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const int count = field->is_repeated() ? reflection.FieldSize(*message, field) : 1;
        for (int i = 0; i < count; ++i) {
          Message* child = field->is_repeated()
                               ? reflection.MutableRepeatedMessage(message, field, i)
                               : reflection.MutableMessage(message, field);
          DRAGNET_RETURN_IF_ERROR(
              Visit(child, field->is_repeated() ? StrCat(path, "[", i, "].") : StrCat(path, ".")));
        }
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field->is_repeated()) {
        DRAGNET_RETURN_IF_ERROR(Take(message, field, path));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Take(Message* message, const FieldDescriptor* field, const std::string& path) {
    const Reflection& reflection = *message->GetReflection();
    std::string value = reflection.GetString(*message, field);
    if (value.size() <= kMinBlobBytes) return absl::OkStatus();
    if (value.size() > kMaxBlobBytes) {
      return absl::InvalidArgumentError(
          StrCat(path, ": ", value.size(), " bytes, at most ", kMaxBlobBytes));
    }
    reflection.ClearField(message, field);
    v1::Blob* blob = operation_->add_blobs();
    blob->set_field(path);
    blob->set_sha256(Sha256(value));
    blob->set_size(value.size());
    contents_->insert_or_assign(blob->sha256(), std::move(value));
    return absl::OkStatus();
  }

  v1::Operation* operation_;
  BlobContents* contents_;
};

absl::Status NoField(std::string_view path) {
  return absl::InvalidArgumentError(
      StrCat("blob for ", ForTerminal(Shorten(path, 100)), ": there is no such field for one"));
}

// "searches[0]" as "searches" and 0; without brackets -1. False for anything else.
bool SplitIndex(std::string_view step, std::string* name, int* index) {
  const size_t bracket = step.find('[');
  *name = std::string(step.substr(0, bracket));
  *index = -1;
  if (bracket == std::string_view::npos) return true;
  if (step.back() != ']') return false;
  const std::string_view digits = step.substr(bracket + 1, step.size() - bracket - 2);
  return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos &&
         absl::SimpleAtoi(ToAbsl(digits), index);
}

}  // namespace

absl::Status ExtractBlobs(Message* parameters, v1::Operation* operation, BlobContents* contents) {
  return Extractor(operation, contents).Visit(parameters, "");
}

absl::Status InsertBlob(std::string_view path, std::string value, Message* parameters) {
  Message* message = parameters;
  std::string_view rest = path;
  while (true) {
    const size_t dot = rest.find('.');
    std::string name;
    int index;
    if (!SplitIndex(rest.substr(0, dot), &name, &index)) return NoField(path);
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || field->is_map()) return NoField(path);
    const Reflection& reflection = *message->GetReflection();
    if (dot == std::string_view::npos) {
      if (index >= 0 || field->is_repeated() ||
          field->cpp_type() != FieldDescriptor::CPPTYPE_STRING ||
          // It would take away another value that was signed.
          (field->real_containing_oneof() != nullptr &&
           reflection.HasOneof(*message, field->real_containing_oneof())) ||
          !reflection.GetString(*message, field).empty()) {
        return NoField(path);
      }
      if (field->type() == FieldDescriptor::TYPE_STRING && !IsValidUtf8(value)) {
        return absl::InvalidArgumentError(StrCat(path, ": not valid UTF-8"));
      }
      reflection.SetString(message, field, std::move(value));
      return absl::OkStatus();
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return NoField(path);
    // What isn't there was not signed to be there.
    if (field->is_repeated()) {
      if (index < 0 || index >= reflection.FieldSize(*message, field)) return NoField(path);
      message = reflection.MutableRepeatedMessage(message, field, index);
    } else {
      if (index >= 0 || !reflection.HasField(*message, field)) return NoField(path);
      message = reflection.MutableMessage(message, field);
    }
    rest = rest.substr(dot + 1);
  }
}

}  // namespace dragnet
