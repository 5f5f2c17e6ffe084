#include "console/packs/validation.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "console/packs/expectation.h"
#include "console/packs/missing_values.h"
#include "core/action.h"
#include "core/strings.h"
#include "modules/check/validate.h"
#include "modules/rows/row_filter.h"

namespace dragnet::console {
namespace {

using check::v1::Check;
using check::v1::Expectation;

// A field's name in check.proto, and the key that a pack has for it.
struct FieldKey {
  std::string_view field;
  std::string_view key;
};
constexpr FieldKey kFieldKeys[] = {
    {"id", "id"},
    {"title", "title"},
    {"severity", "severity"},
    {"references", "reference"},
    {"remediation", "remediation"},
    {"applies_when", "applies_when"},
    {"module", "module"},
    {"parameters", "parameters"},
    {"expectation", "expect"},
};

// "expectation.where: …" is about expectation.
const FieldKey* FieldOf(std::string_view message) {
  for (const FieldKey& field : kFieldKeys) {
    if (!message.starts_with(field.field)) continue;
    const std::string_view rest = message.substr(field.field.size());
    if (rest.starts_with(':') || rest.starts_with('.')) return &field;
  }
  return nullptr;
}

// The value that "searches[0].names[1] 'x(' misses…" is about, as far as the
// document has it.
const YamlNode* Walk(const YamlNode* node, std::string_view message) {
  while (!message.empty()) {
    size_t length = 0;
    while (length < message.size() &&
           (absl::ascii_isalnum(static_cast<unsigned char>(message[length])) ||
            message[length] == '_')) {
      ++length;
    }
    const YamlNode* below = node->Find(message.substr(0, length));
    if (length == 0 || below == nullptr) return node;
    node = below;
    message.remove_prefix(length);
    if (const size_t end = message.find(']'); message.starts_with('[') && end != message.npos) {
      size_t index = 0;
      if (node->is_list() && absl::SimpleAtoi(ToAbsl(message.substr(1, end - 1)), &index) &&
          index < node->items.size()) {
        node = &node->items[index];
      }
      message.remove_prefix(end + 1);
    }
    if (!message.starts_with('.')) return node;
    message.remove_prefix(1);
  }
  return node;
}

class Validator {
 public:
  Validator(const YamlNode& node, std::string_view path, const ModuleCatalog& modules,
            const Check& check, Problems* problems)
      : node_(node), path_(path), modules_(modules), check_(check), problems_(problems) {}

  void Run() {
    // One error at a time: what is wrong is reported, and then made right.
    for (size_t i = 0; i < std::size(kFieldKeys); ++i) {
      const absl::Status valid =
          ValidateCheck(check_, [&](std::string_view name) { return modules_.Find(name); });
      if (valid.ok()) return;
      const FieldKey* field = FieldOf(ToStd(valid.message()));
      if (field == nullptr) {
        problems_->Error(node_.place, path_, ToStd(valid.message()));
        return;
      }
      Report(*field, ToStd(valid.message()).substr(field->field.size()));
      if (field->field == "module") return;
      if (field->field == "parameters") {
        // Nothing was looked at after them.
        ValidateWhere();
        return;
      }
      MakeRight(field->field);
    }
  }

 private:
  // `rest` is what follows the field's name: ".where: …" or ": …".
  void Report(const FieldKey& field, std::string_view rest) {
    if (field.field == "parameters") return ReportParameters(rest);
    if (field.field == "expectation") return ReportExpectation(rest);
    const YamlNode* value = node_.Find(field.key);
    problems_->Error((value == nullptr ? node_ : *value).place, "",
                     StrCat(path_, ".", field.key, rest));
  }

  void ReportParameters(std::string_view rest) {
    if (rest.starts_with(": ")) rest.remove_prefix(2);
    if (const YamlNode* command = node_.Find("command"); command != nullptr) {
      const Module& module = *modules_.Find(check_.module());
      const auto documentation = modules_.DocumentationOf(module);
      problems_->Error(
          command->place, StrCat(path_, ".command"),
          documentation.ok() ? FormOf(module, *documentation).NameFlags(rest) : std::string(rest));
      return;
    }
    const YamlNode* parameters = node_.Find("parameters");
    const YamlNode& value = parameters == nullptr ? node_ : *Walk(parameters, rest);
    problems_->Error(value.place, StrCat(path_, ".parameters"), rest);
  }

  void ReportExpectation(std::string_view rest) {
    const YamlNode& expect = *node_.Find("expect");
    const YamlNode* where = rest.starts_with(".where") ? WhereOf(expect) : nullptr;
    if (where != nullptr) rest.remove_prefix(sizeof ".where" - 1);
    problems_->Error((where == nullptr ? expect : *where).place, "",
                     StrCat(path_, ".expect", rest));
  }

  void ValidateWhere() {
    const Module* module = modules_.Find(check_.module());
    const std::string& where = check_.expectation().where();
    if (module == nullptr || where.empty()) return;
    const auto row = module->NewRow();
    const absl::Status compiled = RowFilter::Create(row->GetDescriptor(), where).status();
    if (!compiled.ok()) ReportExpectation(StrCat(".where: ", compiled.message()));
  }

  void MakeRight(std::string_view field) {
    if (field == "id") check_.set_id("x");
    if (field == "title") check_.set_title("x");
    if (field == "severity") check_.set_severity("low");
    if (field == "references") check_.clear_references();
    if (field == "remediation") check_.clear_remediation();
    if (field == "applies_when") check_.clear_applies_when();
    if (field == "expectation") {
      check_.clear_expectation();
      check_.mutable_expectation()->set_kind(Expectation::KIND_FOUND);
    }
  }

  const YamlNode& node_;
  const std::string_view path_;
  const ModuleCatalog& modules_;
  Check check_;
  Problems* const problems_;
};

// As of any operation (action.proto).
void ValidateLimits(const YamlNode& node, std::string_view path, const v1::Limits& limits,
                    Problems* problems) {
  const YamlNode* written = node.Find("limits");
  if (written == nullptr) return;
  const auto check_duration = [&](std::string_view key, const auto& value, bool given) {
    const absl::Duration duration = ToDuration(value);
    if (!given || (duration >= absl::Seconds(1) && duration <= absl::Hours(24))) return;
    problems->Error(written->Find(key)->place, StrCat(path, ".limits.", key),
                    "must be from 1s to 24h");
  };
  check_duration("wall_time", limits.wall_time(), limits.has_wall_time());
  check_duration("cpu_time", limits.cpu_time(), limits.has_cpu_time());
  if (limits.cpu_share_percent() > kMaxCpuSharePercent) {
    problems->Error(written->Find("cpu_share_percent")->place,
                    StrCat(path, ".limits.cpu_share_percent"),
                    StrCat("must be from 1 to ", kMaxCpuSharePercent));
  }
}

// A condition that is NULL for a row makes the verdict unknown (modules/check/verdict.cc),
// except where finding rows is all that is asked for.
void WarnOfMissingValues(const YamlNode& node, std::string_view path, const ModuleCatalog& modules,
                         const Check& check, Problems* problems) {
  const Expectation& expectation = check.expectation();
  const Module* module = modules.Find(check.module());
  const YamlNode* expect = node.Find("expect");
  const bool only_finds = expectation.kind() == Expectation::KIND_FOUND ||
                          (expectation.kind() == Expectation::KIND_COUNT && !expectation.has_max());
  if (module == nullptr || expect == nullptr || expectation.where().empty() || only_finds) return;
  const YamlNode* where = WhereOf(*expect);
  const auto row = module->NewRow();
  for (const std::string& column :
       ColumnsWithoutNullCase(row->GetDescriptor(), expectation.where())) {
    problems->Warning((where == nullptr ? *expect : *where).place, StrCat(path, ".expect"),
                      StrCat(column,
                             " is NULL in rows that don't have it, and then the check is "
                             "unknown: if that isn't meant, say what holds then (",
                             column, " is null or …, ", column, " is not null and …)"));
  }
}

}  // namespace

void ValidateReadCheck(const YamlNode& node, std::string_view path, const ModuleCatalog& modules,
                       const Check& check, Problems* problems) {
  Validator(node, path, modules, check, problems).Run();
  WarnOfMissingValues(node, path, modules, check, problems);
  ValidateLimits(node, path, check.limits(), problems);
}

}  // namespace dragnet::console
