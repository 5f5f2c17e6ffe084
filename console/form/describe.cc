#include "console/form/describe.h"

#include <algorithm>
#include <map>

#include "console/form/describe_checks.h"
#include "console/form/recurrence.h"
#include "console/form/values.h"
#include "console/output/cell.h"
#include "console/output/text_width.h"
#include "core/action.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/unknown_field_set.h"

namespace dragnet::console {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kStep = 2;
constexpr size_t kFirstRuns = 5;

bool HasLines(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map() &&
         field->message_type()->full_name() != "google.protobuf.Timestamp" &&
         field->message_type()->full_name() != "google.protobuf.Duration";
}

void AppendLine(std::string_view name, std::string_view value, size_t indent, std::string* text) {
  StrAppend(text, std::string(indent, ' '), name, ":", value.empty() ? "" : " ", ForTerminal(value),
            "\n");
}

// One line per element, so that a long list stays readable.
void AppendRepeated(const Message& message, const FieldDescriptor* field, size_t indent,
                    std::string* text) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, field);
  for (int i = 0; i < size; ++i) {
    if (HasLines(field)) {
      AppendLine(size > 1 ? StrCat(field->name(), "[", i, "]") : field->name(), "", indent, text);
      text->append(
          DescribeMessage(reflection.GetRepeatedMessage(message, field, i), indent + kStep));
      continue;
    }
    // CellOf shows a whole field; one element of it is a copy with one element.
    std::unique_ptr<Message> single(message.New());
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      std::string scratch;
      single->GetReflection()->AddString(
          single.get(), field, reflection.GetRepeatedStringReference(message, field, i, &scratch));
      AppendLine(field->name(), CellOf(*single, {"", {field}}, CellStyle::kTable).text, indent,
                 text);
    } else {
      AppendLine(field->name(), CellOf(message, {"", {field}}, CellStyle::kTable).text, indent,
                 text);
      return;
    }
  }
}

std::string Times(const v1::Action& action) {
  const absl::StatusOr<absl::Time> from = ToTime(action.not_before());
  const absl::StatusOr<absl::Time> until = ToTime(action.expires());
  if (!from.ok() || !until.ok()) return "not a valid time";
  return StrCat(LocalTime(*from), " to ", LocalTime(*until), " (", DurationWords(*until - *from),
                ")");
}

std::string ThreatText(const v1::Threat& threat) {
  std::string text;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) StrAppend(&text, text.empty() ? "" : ", ", name, " ", value);
  };
  add("level", threat.level());
  add("family", threat.family());
  add("type", threat.type());
  add("reference", threat.reference());
  return text;
}

std::string DispatchText(const v1::Dispatch& dispatch) {
  std::string text;
  const auto add = [&](const std::string& part) {
    StrAppend(&text, text.empty() ? "" : "; ", part);
  };
  if (dispatch.canary_percent() > 0) {
    add(StrCat("first to ", dispatch.canary_percent(), " percent of the connected agents"));
  }
  if (dispatch.agent_limit() > 0) add(StrCat("to ", dispatch.agent_limit(), " agents at most"));
  if (dispatch.agents_per_second() > 0) {
    add(StrCat("to ", dispatch.agents_per_second(), " agents per second"));
  }
  if (dispatch.stop_when_failed_percent() > 0) {
    add(StrCat("stops when more than ", dispatch.stop_when_failed_percent(), " percent failed"));
  }
  return text;
}

// The first runs, so that a mistake in the schedule is seen before it is signed: by
// the clocks that it names, and by the reader's.
void AppendRecurrence(const v1::Action& action, std::vector<DescriptionLine>* lines) {
  lines->push_back({"Recurs", RecurrenceWords(action.recurrence())});
  const absl::StatusOr<Schedule> schedule = ScheduleOf(action.recurrence());
  if (!schedule.ok()) return;
  const std::vector<absl::Time> first = Occurrences(action, absl::InfinitePast(), kFirstRuns);
  if (first.empty()) lines->push_back({"First runs", "none: it never runs"});
  for (size_t i = 0; i < first.size(); ++i)
    lines->push_back(
        {i == 0 ? "First runs" : "", OccurrenceWords(first[i], schedule->time_zone())});
}

// What is signed besides the parameters, whether or not those can be read.
std::string DescribeRest(const v1::Operation& operation) {
  std::string text;
  for (const v1::Blob& blob : operation.blobs()) {
    StrAppend(&text, "  ", ForTerminal(blob.field()), "  ", blob.size(), " bytes with SHA-256 ",
              HexEncode(blob.sha256()), "\n");
  }
  if (operation.has_limits()) {
    StrAppend(&text, "  limits\n", DescribeMessage(operation.limits(), 2 * kStep));
  }
  return text;
}

std::string DescribeOperation(const v1::Operation& operation, int number,
                              const ModuleCatalog& catalog) {
  const Module* module = catalog.Find(operation.module());
  std::string text = StrCat("\nOperation ", number, ": ", ForTerminal(operation.module()), "\n");
  if (module == nullptr) {
    return StrCat(text, "  (this version has no such module; parameters in hex)\n  ",
                  HexEncode(operation.parameters()), "\n", DescribeRest(operation));
  }
  std::unique_ptr<Message> parameters = module->NewParameters();
  const absl::Status parsed =
      ParseStrict(operation.parameters(), kMaxParameterBytes, parameters.get());
  if (!parsed.ok()) {
    return StrCat(
        text, "  (parameters that this version can't read: ", ForTerminal(ToStd(parsed.message())),
        "; in hex)\n  ", HexEncode(operation.parameters()), "\n", DescribeRest(operation));
  }
  const auto* checks = dynamic_cast<const check::v1::CheckParameters*>(parameters.get());
  const std::string lines =
      checks != nullptr ? DescribeChecks(*checks, catalog) : DescribeMessage(*parameters, kStep);
  text.append(lines.empty() ? "  (no parameters)\n" : lines);
  text.append(DescribeRest(operation));
  return text;
}

}  // namespace

std::string DescribeMessage(const Message& message, size_t indent) {
  std::string text;
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  std::sort(fields.begin(), fields.end(),
            [](const auto* a, const auto* b) { return a->index() < b->index(); });
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated() && !field->is_map()) {
      AppendRepeated(message, field, indent, &text);
    } else if (HasLines(field)) {
      AppendLine(field->name(), "", indent, &text);
      text.append(DescribeMessage(reflection.GetMessage(message, field), indent + kStep));
    } else {
      AppendLine(field->name(), CellOf(message, {"", {field}}, CellStyle::kTable).text, indent,
                 &text);
    }
  }
  const auto& unknown = reflection.GetUnknownFields(message);
  for (int i = 0; i < unknown.field_count(); ++i) {
    AppendLine(StrCat("field ", unknown.field(i).number()), "(unknown to this version)", indent,
               &text);
  }
  return text;
}

std::string DescribeLines(const std::vector<DescriptionLine>& lines) {
  size_t widest = 0;
  for (const DescriptionLine& line : lines) widest = std::max(widest, line.title.size());
  std::string text;
  for (const DescriptionLine& line : lines) {
    if (line.text.empty()) continue;
    StrAppend(&text, PadRight(line.title, widest), "  ", ForTerminal(line.text), "\n");
  }
  return text;
}

std::string DescribeAction(const v1::Action& action, const std::vector<DescriptionLine>& extra,
                           const ModuleCatalog& catalog) {
  std::vector<DescriptionLine> lines = {
      {"Action", action.name()},
      {"Description", action.description()},
      {"Id", action.id()},
      {"Fleet", action.fleet_id()},
      {"Threat", ThreatText(action.threat())},
      {"Target", action.target() == "true" ? "every agent" : action.target()},
      {"Valid", Times(action)},
  };
  if (action.has_dispatch()) lines.push_back({"Dispatch", DispatchText(action.dispatch())});
  if (action.has_recurrence()) {
    AppendRecurrence(action, &lines);
  }
  lines.push_back({"Extra run of", action.extra_run_of()});
  lines.insert(lines.end(), extra.begin(), extra.end());
  std::string text = DescribeLines(lines);
  for (int i = 0; i < action.operations_size(); ++i) {
    const v1::Operation& operation = action.operations(i);
    text.append(DescribeOperation(operation, i + 1, catalog));
  }
  return text;
}

}  // namespace dragnet::console
