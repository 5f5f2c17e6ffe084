#include "modules/rows/columns.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "dragnet/v1/options.pb.h"

namespace dragnet {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

bool IsTimestamp(const Descriptor* type) {
  return type->full_name() == "google.protobuf.Timestamp";
}
bool IsDuration(const Descriptor* type) { return type->full_name() == "google.protobuf.Duration"; }

bool IsTakenApart(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated() &&
         !IsTimestamp(field->message_type()) && !IsDuration(field->message_type());
}

void CollectColumns(const Descriptor* type, const Column& parent, std::vector<Column>* columns) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    Column column = parent;
    column.header =
        parent.header.empty() ? field->name() : StrCat(parent.header, ".", field->name());
    column.path.push_back(field);
    const v1::ColumnOptions& options = field->options().GetExtension(v1::column);
    column.detail = parent.detail || options.detail();
    column.key = parent.key || options.key();
    column.fleeting = parent.fleeting || options.fleeting();
    // A message that holds itself is shown as JSON where it comes again.
    bool recursive = false;
    for (const FieldDescriptor* above : parent.path) {
      recursive |=
          field->message_type() != nullptr && above->message_type() == field->message_type();
    }
    if (IsTakenApart(field) && !recursive) {
      CollectColumns(field->message_type(), column, columns);
    } else {
      columns->push_back(std::move(column));
    }
  }
}

}  // namespace

std::vector<Column> ColumnsOf(const Descriptor* type) {
  std::vector<Column> columns;
  CollectColumns(type, Column{}, &columns);
  return columns;
}

absl::StatusOr<Column> ColumnAt(const Descriptor* type, std::string_view dotted_path,
                                std::string header) {
  Column column{.header = std::move(header)};
  for (const std::string& name :
       std::vector<std::string>(absl::StrSplit(ToAbsl(dotted_path), '.'))) {
    const FieldDescriptor* field = type == nullptr ? nullptr : type->FindFieldByName(name);
    if (field == nullptr) return absl::NotFoundError(StrCat("no field ", dotted_path));
    column.path.push_back(field);
    type = field->message_type();
  }
  return column;
}

std::string EnumWord(const google::protobuf::EnumValueDescriptor* value) {
  // "HashType" -> "HASH_TYPE_"
  std::string prefix;
  for (const char c : value->type()->name()) {
    if (absl::ascii_isupper(c) && !prefix.empty() && prefix.back() != '_') prefix.push_back('_');
    prefix.push_back(absl::ascii_toupper(c));
  }
  prefix.push_back('_');
  std::string_view word = value->name();
  if (word.starts_with(prefix)) word.remove_prefix(prefix.size());
  return absl::StrReplaceAll(absl::AsciiStrToLower(ToAbsl(word)), {{"_", "-"}});
}

}  // namespace dragnet
