#include "console/cli/row_selection.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "console/cli/command_line.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

constexpr size_t kMostReasons = 5;

Layout RowLayout(std::vector<Column> columns, bool only_columns, bool with_operation) {
  Layout layout;
  layout.labels = {{"", "action"},
                   {"agent", "agent"},
                   {"", "agentId"},
                   {with_operation ? "op" : "", "operation", /*number=*/true},
                   {"", "module"}};
  layout.columns = std::move(columns);
  layout.json_key = "row";
  layout.only_columns = only_columns;
  return layout;
}

std::string OperationsOf(const v1::Action& action) {
  std::vector<std::string> names;
  for (const v1::Operation& operation : action.operations())
    names.push_back(StrCat(names.size(), " ", operation.module()));
  return absl::StrJoin(names, ", ");
}

absl::Status WhichOperation(const absl::Status& status, const v1::Action& action) {
  if (status.ok() || action.operations_size() == 1) return status;
  return absl::Status(status.code(),
                      StrCat(status.message(), "; for one operation alone: --operation INDEX (",
                             OperationsOf(action), ")"));
}

}  // namespace

absl::StatusOr<std::vector<Column>> NamedColumns(std::string_view flag, const Module& module,
                                                 const std::vector<std::string>& names) {
  const std::vector<Column> all = ColumnsOf(module.NewRow()->GetDescriptor());
  std::vector<std::string> known;
  for (const Column& column : all) known.push_back(column.header);
  std::vector<Column> columns;
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      const std::string near = Nearest(name, known);
      return absl::InvalidArgumentError(StrCat(flag, ": rows of module ", module.manifest().name,
                                               " have no column \"", name, "\"",
                                               near.empty() ? "" : StrCat(" (", near, "?)"),
                                               ": they have ", absl::StrJoin(known, ", ")));
    }
    columns.push_back(all[static_cast<size_t>(found - known.begin())]);
  }
  return columns;
}

std::vector<std::string> SplitNames(const std::vector<std::string>& values) {
  std::vector<std::string> names;
  for (const std::string& value : values)
    for (const auto name : absl::StrSplit(value, ','))
      names.emplace_back(absl::StripAsciiWhitespace(name));
  return names;
}

absl::StatusOr<uint32_t> OneOperation(std::string_view flag, const v1::Action& action,
                                      const RowOptions& options) {
  const auto count = static_cast<uint32_t>(action.operations_size());
  if (options.operation.has_value() && *options.operation < count) return *options.operation;
  if (count == 1 && !options.operation.has_value()) return 0;
  return absl::InvalidArgumentError(
      StrCat(options.operation.has_value() ? "--operation: there is none of this index"
                                           : StrCat(flag, ": say which operation with --operation"),
             ": ", OperationsOf(action)));
}

absl::StatusOr<RowSelection> RowSelection::Create(const v1::Action& action,
                                                  const ModuleCatalog& modules,
                                                  RowOptions options) {
  RowSelection selection;
  if (options.operation.has_value())
    DRAGNET_RETURN_IF_ERROR(OneOperation("--operation", action, options).status());
  // Always there, and first.
  std::erase_if(options.columns, [](const std::string& name) { return name == "agent"; });
  std::map<std::string, size_t> by_module;
  for (int i = 0; i < action.operations_size(); ++i) {
    SelectedOperation operation;
    selection.module_names_.push_back(action.operations(i).module());
    operation.module = modules.Find(action.operations(i).module());
    operation.wanted =
        !options.operation.has_value() || *options.operation == static_cast<uint32_t>(i);
    if (operation.module != nullptr && operation.wanted) {
      const Module& module = *operation.module;
      operation.row = module.NewRow();
      if (!options.where.empty()) {
        auto filter = RowFilter::Create(operation.row->GetDescriptor(), options.where);
        if (!filter.ok())
          return WhichOperation(
              Annotate(filter.status(), StrCat("--where: ", module.manifest().name)), action);
        operation.filter = *std::move(filter);
      }
      const auto [known, is_new] =
          by_module.try_emplace(selection.module_names_.back(), selection.layouts_.size());
      operation.layout = known->second;
      if (is_new) {
        std::vector<Column> columns = ColumnsOf(operation.row->GetDescriptor());
        if (!options.columns.empty()) {
          auto named = NamedColumns("--columns", module, options.columns);
          if (!named.ok()) return WhichOperation(named.status(), action);
          columns = *std::move(named);
          // Asked for: in tables, too.
          for (Column& column : columns) column.detail = false;
        }
        selection.layouts_.push_back(
            RowLayout(std::move(columns), !options.columns.empty(), action.operations_size() > 1));
      }
    }
    selection.operations_.push_back(std::move(operation));
  }
  selection.options_ = std::move(options);
  return selection;
}

const google::protobuf::Message* RowSelection::Read(const v1::AgentRows& from,
                                                    const std::string& bytes) {
  if (from.operation() >= operations_.size()) {
    Lose("they belong to no operation of the action");
    return nullptr;
  }
  SelectedOperation& operation = operations_[from.operation()];
  if (!operation.wanted) return nullptr;
  if (operation.module == nullptr) {
    Lose(StrCat("this version has no module ", module_names_[from.operation()]));
    return nullptr;
  }
  if (!operation.row->ParseFromString(bytes)) {
    Lose(StrCat("not rows of module ", operation.module->manifest().name));
    return nullptr;
  }
  ++seen_;
  if (operation.filter != nullptr) {
    const absl::StatusOr<bool> matches =
        operation.filter->Matches(from.agent_name(), from.agent_id(), *operation.row);
    if (!matches.ok()) {
      Lose(StrCat("--where can't tell: ", ToStd(matches.status().message())));
      return nullptr;
    }
    if (!*matches) return nullptr;
  }
  ++selected_;
  return operation.row.get();
}

void RowSelection::Lose(std::string_view reason) {
  ++lost_;
  if (reasons_.size() < kMostReasons &&
      std::find(reasons_.begin(), reasons_.end(), reason) == reasons_.end())
    reasons_.emplace_back(reason);
}

std::vector<std::string> RowSelection::Notes() const {
  std::vector<std::string> notes;
  if (!options_.where.empty()) notes.push_back(StrCat(selected_, " of ", seen_, " rows shown"));
  for (const std::string& reason : reasons_)
    notes.push_back(StrCat("warning: rows that can't be shown: ", reason));
  if (lost_ > 0) notes.push_back(StrCat("warning: ", lost_, " rows were not shown"));
  return notes;
}

}  // namespace dragnet::console
