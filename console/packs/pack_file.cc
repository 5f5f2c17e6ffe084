#include "console/packs/pack_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "console/packs/expectation.h"
#include "console/packs/keys.h"
#include "console/packs/pack_keys.h"
#include "console/packs/validation.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

bool IsVariableValue(const YamlNode& node) {
  return node.is_scalar() ||
         (node.is_list() && std::all_of(node.items.begin(), node.items.end(),
                                        [](const YamlNode& item) { return item.is_scalar(); }));
}

// A value given as text, of the default's type.
YamlNode FromText(const std::string& text, const YamlNode& preset) {
  const auto plain = [&](std::string value) {
    return YamlNode{
        .kind = YamlNode::Kind::kPlain, .text = std::move(value), .place = preset.place};
  };
  if (!preset.is_list()) {
    YamlNode node = plain(text);
    if (preset.kind == YamlNode::Kind::kText) node.kind = YamlNode::Kind::kText;
    return node;
  }
  YamlNode list{.kind = YamlNode::Kind::kList, .place = preset.place};
  for (absl::string_view item : absl::StrSplit(text, ',', absl::SkipEmpty()))
    list.items.push_back(plain(std::string(item)));
  return list;
}

class FileReader {
 public:
  FileReader(const VariableValues& values, const OperationReader& reader, ExpansionBudget* budget)
      : values_(values), reader_(reader), problems_(reader.problems), variables_(budget) {}

  PackFile Read(YamlNode root) {
    PackFile file;
    if (!CheckKeysOf(root, "", kPackKeys, problems_)) return file;
    if (const YamlNode* declared = root.Find("variables"); declared != nullptr) {
      DeclareVariables(*declared);
    }
    CheckOverrides();
    for (size_t i = 0; i < root.keys.size(); ++i) {
      if (root.keys[i].text == "variables") continue;
      variables_.Substitute(root.keys[i].text, &root.items[i], problems_);
    }
    file.id = ScalarOf(root, "id", "", problems_);
    file.title = ScalarOf(root, "title", "", problems_);
    file.version = ScalarOf(root, "version", "", problems_);
    if (const YamlNode* includes = root.Find("include"); includes != nullptr) {
      ReadIncludes(*includes, &file);
    }
    if (const YamlNode* checks = root.Find("checks"); checks != nullptr) ReadChecks(*checks, &file);
    for (const auto& [name, place] : variables_.Unused()) {
      problems_->Warning(place, StrCat("variables.", name), "is used nowhere in this file");
    }
    return file;
  }

 private:
  void DeclareVariables(const YamlNode& declared) {
    if (declared.is_null()) return;
    if (!declared.is_mapping()) {
      problems_->Error(declared.place, "variables", "must be a mapping of names to defaults");
      return;
    }
    for (size_t i = 0; i < declared.keys.size(); ++i) {
      DeclareVariable(declared.keys[i], declared.items[i]);
    }
  }

  void DeclareVariable(const YamlNode& name, YamlNode value) {
    const std::string path = StrCat("variables.", name.text);
    if (!IsVariableName(name.text)) {
      problems_->Error(name.place, path, "a name is letters, digits and _, at most 64");
      return;
    }
    declared_.push_back(name.text);
    // Of those that were declared before.
    variables_.Substitute(path, &value, problems_);
    const YamlNode* given =
        values_.including == nullptr ? nullptr : values_.including->Find(name.text);
    const auto set = values_.set.find(name.text);
    if (set != values_.set.end()) {
      (*values_.set_used)[name.text] = true;
      value = FromText(set->second, value);
    } else if (given != nullptr) {
      value = *given;
    }
    if (value.is_null()) {
      problems_->Error(name.place, path,
                       StrCat("has no default and must be set: --set ", name.text, "=…"));
      // Not reported once more wherever it is used.
      value = TextNode("", name.place);
    } else if (!IsVariableValue(value)) {
      problems_->Error(value.place, path, "must be a single value or a list of such");
      value = TextNode("", name.place);
    }
    variables_.Define(name.text, std::move(value), name.place);
  }

  void CheckOverrides() {
    if (values_.including == nullptr) return;
    for (const YamlNode& key : values_.including->keys) {
      if (std::find(declared_.begin(), declared_.end(), key.text) != declared_.end()) continue;
      problems_->Error(
          key.place, StrCat("variables.", key.text),
          StrCat("the included file has no such variable", DidYouMean(key.text, declared_)));
    }
  }

  void ReadIncludes(const YamlNode& includes, PackFile* file) {
    if (includes.is_null()) return;
    if (!includes.is_list()) {
      file->includes.push_back(ReadInclude(includes, "include"));
      return;
    }
    for (size_t i = 0; i < includes.items.size(); ++i)
      file->includes.push_back(ReadInclude(includes.items[i], StrCat("include[", i, "]")));
  }

  IncludeEntry ReadInclude(const YamlNode& node, const std::string& path) {
    IncludeEntry entry;
    if (node.is_scalar()) {
      entry.file = node;
      return entry;
    }
    if (!CheckKeysOf(node, path, kIncludeKeys, problems_)) return entry;
    entry.file = ScalarOf(node, "file", path, problems_);
    entry.only = TextsOf(node, "only", path, problems_);
    entry.except = TextsOf(node, "except", path, problems_);
    entry.variables = MappingOf(node, "variables", path);
    entry.severity = MappingOf(node, "severity", path);
    for (size_t i = 0; i < entry.severity.keys.size(); ++i) {
      SeverityFrom(entry.severity.items[i], StrCat(path, ".severity.", entry.severity.keys[i].text),
                   problems_);
    }
    return entry;
  }

  YamlNode MappingOf(const YamlNode& node, std::string_view key, const std::string& path) {
    const YamlNode* value = node.Find(key);
    if (value == nullptr) return {.place = node.place};
    if (value->is_mapping()) return *value;
    problems_->Error(value->place, StrCat(path, ".", key),
                     StrCat("must be a mapping, not ", value->KindName()));
    return {.place = node.place};
  }

  void ReadChecks(const YamlNode& checks, PackFile* file) {
    if (checks.is_null()) return;
    if (!checks.is_list()) {
      problems_->Error(checks.place, "checks", StrCat("must be a list, not ", checks.KindName()));
      return;
    }
    for (size_t i = 0; i < checks.items.size(); ++i)
      ReadOne(checks.items[i], StrCat("checks[", i, "]"), file);
  }

  void ReadOne(const YamlNode& node, const std::string& path, PackFile* file) {
    const size_t errors = problems_->errors();
    ReadCheck read;
    read.place = node.place;
    check::v1::Check& check = read.check;
    const bool mapping = CheckKeysOf(node, path, kCheckKeys, problems_);
    if (!mapping) return;
    check.set_id(ScalarOf(node, "id", path, problems_).text);
    check.set_title(ScalarOf(node, "title", path, problems_).text);
    if (const YamlNode* severity = node.Find("severity"); severity != nullptr) {
      check.set_severity(SeverityFrom(*severity, StrCat(path, ".severity"), problems_));
    }
    for (const YamlNode& reference : TextsOf(node, "reference", path, problems_))
      check.add_references(reference.text);
    std::string remediation = ScalarOf(node, "remediation", path, problems_).text;
    // A block of YAML ends with a newline.
    absl::StripTrailingAsciiWhitespace(&remediation);
    check.set_remediation(std::move(remediation));
    check.set_applies_when(ScalarOf(node, "applies_when", path, problems_).text);
    ReadOperation(node, path, &check);
    if (const YamlNode* expect = node.Find("expect"); expect != nullptr) {
      ExpectationFrom(*expect, StrCat(path, ".expect"), check.mutable_expectation(), problems_);
    }
    if (const YamlNode* limits = node.Find("limits"); limits != nullptr && !limits->is_null()) {
      MessageFromYaml(*limits, StrCat(path, ".limits"), reader_.read_file, check.mutable_limits(),
                      problems_);
    }
    for (const YamlNode& name : TextsOf(node, "needs", path, problems_))
      Need(name, StrCat(path, ".needs"), &check);
    if (problems_->errors() == errors)
      ValidateReadCheck(node, path, reader_.modules, check, problems_);
    if (check.references().empty()) problems_->Warning(node.place, path, "has no reference");
    if (check.remediation().empty()) problems_->Warning(node.place, path, "has no remediation");
    file->checks.push_back(std::move(read));
  }

  // Without the variable the check stays, so that its id is known everywhere; it says
  // of each host that it doesn't apply, and why.
  void Need(const YamlNode& name, const std::string& path, check::v1::Check* check) {
    const YamlNode* value = variables_.ValueOf(name.text);
    if (value == nullptr) {
      problems_->Error(name.place, path,
                       StrCat("variables: has no such name: \"", Shorten(name.text, 100), "\"",
                              DidYouMean(name.text, variables_.Names())));
      return;
    }
    if (value->is_scalar() ? !value->text.empty() : !value->items.empty()) return;
    check->set_applies_when(StrCat("'variable ", name.text, "' = 'set'"));
  }

  void ReadOperation(const YamlNode& node, const std::string& path, check::v1::Check* check) {
    const YamlNode* module = node.Find("module");
    const YamlNode* parameters = node.Find("parameters");
    const YamlNode* command = node.Find("command");
    if ((module != nullptr) == (command != nullptr)) {
      problems_->Error(node.place, path,
                       module == nullptr ? "needs an operation: module and parameters, or command"
                                         : "has a module and a command: one of them");
    } else if (module != nullptr) {
      reader_.FromParameters(*module, parameters, path, check);
    } else if (parameters != nullptr) {
      problems_->Error(parameters->place, StrCat(path, ".parameters"),
                       "only with module; a command has its parameters as flags");
    } else {
      reader_.FromCommand(*command, path, check);
    }
  }

  const VariableValues& values_;
  const OperationReader& reader_;
  Problems* const problems_;
  Variables variables_;
  std::vector<std::string> declared_;
};

}  // namespace

PackFile ReadPackFile(YamlNode root, const VariableValues& values, const OperationReader& reader,
                      ExpansionBudget* budget) {
  return FileReader(values, reader, budget).Read(std::move(root));
}

}  // namespace dragnet::console
