#include "console/cli/diff_view.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/analysis/row_diff.h"
#include "console/cli/exit_status.h"
#include "console/cli/interrupt.h"
#include "console/cli/stored_results.h"
#include "console/investigation/lookup.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr size_t kMostHostsNamed = 5;

// An operation that both actions have.
struct Shared {
  const Module* module = nullptr;
  uint32_t before = 0;
  uint32_t after = 0;
  std::unique_ptr<google::protobuf::Message> prototype;
  std::vector<Column> key;
  std::vector<Column> compared;
  // All of the row's, for CSV.
  std::vector<Column> columns;
  std::unique_ptr<RowFilter> filter;
};

std::string_view WordOf(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kNew:
      return "new";
    case ChangeKind::kGone:
      return "gone";
    case ChangeKind::kChanged:
      break;
  }
  return "changed";
}

std::string Headers(const std::vector<const Column*>& columns, std::string_view separator) {
  std::vector<std::string> names;
  for (const Column* column : columns) names.push_back(column->header);
  return absl::StrJoin(names, ToAbsl(separator));
}

absl::Status ChooseColumns(const DiffOptions& options, Shared* shared) {
  const Module& module = *shared->module;
  shared->columns = ColumnsOf(shared->prototype->GetDescriptor());
  if (!options.key.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(shared->key, NamedColumns("--key", module, options.key));
  } else {
    for (const Column& column : shared->columns)
      if (column.key) shared->key.push_back(column);
    if (shared->key.empty()) {
      return absl::InvalidArgumentError(
          StrCat("--diff: module ", module.manifest().name,
                 " marks no columns that tell its rows apart: name them with --key"));
    }
  }
  const auto is_key = [&](const Column& column) {
    return std::any_of(shared->key.begin(), shared->key.end(),
                       [&](const Column& key) { return key.header == column.header; });
  };
  if (!options.columns.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(shared->compared, NamedColumns("--columns", module, options.columns));
    for (Column& column : shared->compared) column.detail = false;
    std::erase_if(shared->compared, is_key);
    return absl::OkStatus();
  }
  for (const Column& column : shared->columns)
    if (!is_key(column) && !column.fleeting) shared->compared.push_back(column);
  return absl::OkStatus();
}

// The first operation of a module with the first of the other action, and so on.
absl::StatusOr<std::vector<Shared>> SharedOperations(const v1::Action& before,
                                                     const v1::Action& after,
                                                     const DiffOptions& options,
                                                     const ModuleCatalog& modules) {
  std::vector<Shared> all;
  std::vector<bool> taken(static_cast<size_t>(after.operations_size()));
  for (int i = 0; i < before.operations_size(); ++i) {
    const Module* module = modules.Find(before.operations(i).module());
    if (module == nullptr) continue;
    for (int k = 0; k < after.operations_size(); ++k) {
      if (taken[static_cast<size_t>(k)] ||
          after.operations(k).module() != before.operations(i).module())
        continue;
      taken[static_cast<size_t>(k)] = true;
      Shared shared;
      shared.module = module;
      shared.before = static_cast<uint32_t>(i);
      shared.after = static_cast<uint32_t>(k);
      shared.prototype = module->NewRow();
      DRAGNET_RETURN_IF_ERROR(ChooseColumns(options, &shared));
      if (!options.where.empty()) {
        auto filter = RowFilter::Create(shared.prototype->GetDescriptor(), options.where);
        if (!filter.ok()) return Annotate(filter.status(), "--where");
        shared.filter = *std::move(filter);
      }
      all.push_back(std::move(shared));
      break;
    }
  }
  if (all.empty()) {
    return absl::InvalidArgumentError(
        "--diff: the two actions have no module in common that this version knows");
  }
  return all;
}

// What the two ask that is not the same, for people.
std::vector<std::string> DifferentQuestions(const v1::Action& before, const v1::Action& after,
                                            const std::vector<Shared>& operations) {
  std::vector<std::string> differences;
  if (before.target() != after.target()) differences.push_back("their targets differ");
  for (const Shared& shared : operations) {
    if (before.operations(static_cast<int>(shared.before)).parameters() !=
        after.operations(static_cast<int>(shared.after)).parameters())
      differences.push_back(StrCat("parameters of ", shared.module->manifest().name, " differ"));
  }
  const size_t alone = static_cast<size_t>(before.operations_size() + after.operations_size()) -
                       2 * operations.size();
  if (alone > 0)
    differences.push_back(StrCat(alone, " operations are in one of them only, and not compared"));
  return differences;
}

class Gathering : public ResultReader {
 public:
  Gathering(RowDiff& diff, RowDiff::Run run, const std::vector<Shared>& operations)
      : diff_(diff), run_(run), operations_(operations) {}

  absl::Status OnRow(const v1::AgentRows& from, const google::protobuf::Message& row) override {
    for (size_t i = 0; i < operations_.size(); ++i) {
      const uint32_t own = run_ == RowDiff::kBefore ? operations_[i].before : operations_[i].after;
      if (own == from.operation())
        return diff_.AddRow(run_, i, from.agent_id(), from.agent_name(), row);
    }
    return absl::OkStatus();
  }

  absl::Status OnState(const v1::AgentState& state) override {
    diff_.AddHost(run_, state.agent_id(), state.agent_name(), LookedAtWhole(state.state()));
    return absl::OkStatus();
  }

 private:
  RowDiff& diff_;
  const RowDiff::Run run_;
  const std::vector<Shared>& operations_;
};

// Writes changes in one of the formats.
class ChangeWriter {
 public:
  ChangeWriter(const std::vector<Shared>& operations, Format format, Io& io)
      : operations_(operations), format_(format) {
    std::vector<Layout> layouts;
    for (const Shared& shared : operations) layouts.push_back(LayoutOf(shared));
    if (IsJson()) layouts.resize(1);
    writer_ = RecordWriter::Create(format, std::move(layouts), io.out,
                                   {.terminal = io.output_is_terminal, .color = io.color});
  }

  void Write(const RowDiff::Change& change) {
    if (IsJson()) {
      WriteJson(change);
    } else if (format_ == Format::kCsv) {
      WriteCsv(change);
    } else {
      WriteLine(change);
    }
  }

  void Finish() { writer_->Finish(); }

 private:
  bool IsJson() const { return format_ == Format::kJson || format_ == Format::kJsonl; }

  Layout LayoutOf(const Shared& shared) const {
    Layout layout;
    layout.labels = {{"change", "change"}, {"agent", "agent"}};
    if (format_ == Format::kTable) {
      for (const auto* columns : {&shared.key, &shared.compared})
        for (const Column& column : *columns)
          if (!column.detail)
            layout.labels.push_back(
                {absl::StrReplaceAll(column.header, {{"_", " "}}), column.header});
      layout.labels.push_back({"also changed", ""});
      return layout;
    }
    layout.labels.push_back({"", "agentId"});
    layout.labels.push_back({"", "operation", /*number=*/true});
    layout.labels.push_back({"", "module"});
    layout.labels.push_back({"", "changed"});
    if (IsJson()) {
      layout.labels.push_back({"", "before"});
      layout.labels.push_back({"", "after"});
    } else {
      layout.columns = shared.columns;
    }
    return layout;
  }

  static bool Has(const RowDiff::Change& change, const Column& column) {
    return std::any_of(change.columns.begin(), change.columns.end(),
                       [&](const Column* changed) { return changed->header == column.header; });
  }

  static std::string FromTo(const RowDiff::Change& change, const Column& column) {
    std::string before = CellOf(*change.before, column, CellStyle::kTable).text;
    std::string after = CellOf(*change.after, column, CellStyle::kTable).text;
    // Times that differ by less than tables show.
    if (before == after) {
      before = CellOf(*change.before, column, CellStyle::kData).text;
      after = CellOf(*change.after, column, CellStyle::kData).text;
    }
    return StrCat(before.empty() ? "(empty)" : before, " → ", after.empty() ? "(empty)" : after);
  }

  void WriteLine(const RowDiff::Change& change) {
    const Shared& shared = operations_[change.operation];
    std::vector<Value> values = {Value::Text(std::string(WordOf(change.kind))),
                                 Value::Text(change.agent)};
    const google::protobuf::Message& row = change.after != nullptr ? *change.after : *change.before;
    std::vector<std::string> hidden;
    for (const auto* columns : {&shared.key, &shared.compared}) {
      for (const Column& column : *columns) {
        const bool changed = Has(change, column);
        if (!column.detail) {
          values.push_back(Value::Text(changed ? FromTo(change, column)
                                               : CellOf(row, column, CellStyle::kTable).text));
        } else if (changed) {
          hidden.push_back(StrCat(column.header, " ", FromTo(change, column)));
        }
      }
    }
    values.push_back(Value::Text(absl::StrJoin(hidden, "; ")));
    writer_->WriteValues(change.operation, values);
  }

  void WriteJson(const RowDiff::Change& change) {
    const Shared& shared = operations_[change.operation];
    std::string changed = "[";
    for (const Column* column : change.columns)
      StrAppend(&changed, changed.size() > 1 ? "," : "", SafeJsonString(column->header));
    const auto row = [](const google::protobuf::Message* message) {
      return message == nullptr ? Value::Null() : Value::Json(MessageToJson(*message));
    };
    writer_->WriteValues(
        0, std::vector<Value>{
               Value::Text(std::string(WordOf(change.kind))), Value::Text(change.agent),
               Value::Text(change.agent_id), Value::Number(StrCat(shared.after)),
               Value::Text(std::string(shared.module->manifest().name)),
               Value::Json(changed.append("]")), row(change.before), row(change.after)});
  }

  // A changed row is two lines: "before" and "after".
  void WriteCsv(const RowDiff::Change& change) {
    const Shared& shared = operations_[change.operation];
    for (const auto* row : {change.before, change.after}) {
      if (row == nullptr) continue;
      const bool pair = change.kind == ChangeKind::kChanged;
      const std::string_view word = !pair                  ? WordOf(change.kind)
                                    : row == change.before ? "before"
                                                           : "after";
      const std::vector<std::string> labels = {std::string(word),
                                               change.agent,
                                               change.agent_id,
                                               StrCat(shared.after),
                                               std::string(shared.module->manifest().name),
                                               Headers(change.columns, " ")};
      writer_->Write(change.operation, labels, *row);
    }
  }

  const std::vector<Shared>& operations_;
  const Format format_;
  std::unique_ptr<RecordWriter> writer_;
};

std::string Plural(uint64_t count, std::string_view word) {
  return StrCat(count, " ", word, count == 1 ? "" : "s");
}

void SayHosts(const RowDiff& diff, RowDiff::Run run, Io& io) {
  const RowDiff::Counts& counts = diff.counts();
  const bool before = run == RowDiff::kBefore;
  const uint64_t hosts = before ? counts.hosts_not_whole_before : counts.hosts_not_whole_after;
  const uint64_t rows = before ? counts.not_shown_as_new : counts.not_shown_as_gone;
  if (hosts == 0) return;
  const std::vector<std::string> names = diff.HostsNotWhole(run, kMostHostsNamed);
  io.Say(ForTerminal(StrCat(Plural(hosts, "host"), " not looked at whole in the ",
                            before ? "first" : "second", " run (", absl::StrJoin(names, ", "),
                            hosts > names.size() ? ", …" : "", "): ", Plural(rows, "row"),
                            before ? " that only the second has are not shown as new"
                                   : " that only the first has are not shown as gone")));
}

void SayCounts(const RowDiff& diff, const std::vector<Shared>& operations,
               const DiffOptions& options, uint64_t shown, Io& io) {
  const RowDiff::Counts& counts = diff.counts();
  io.Say(StrCat(counts.added, " new, ", counts.gone, " gone, ", counts.changed, " changed, ",
                counts.same, " the same, on ", Plural(counts.hosts_compared, "host")));
  if (!options.where.empty())
    io.Say(
        StrCat(shown, " of ", counts.added + counts.gone + counts.changed, " differences shown"));
  SayHosts(diff, RowDiff::kBefore, io);
  SayHosts(diff, RowDiff::kAfter, io);
  if (!options.columns.empty()) return;
  for (const Shared& shared : operations) {
    std::vector<const Column*> fleeting;
    for (const Column& column : shared.columns)
      if (column.fleeting) fleeting.push_back(&column);
    if (!fleeting.empty())
      io.Say(StrCat("not compared, changes by itself: ", Headers(fleeting, ", "), " of ",
                    shared.module->manifest().name, " (--columns compares what it names)"));
  }
}

absl::Status CheckKept(const v1::ActionInfo& info) {
  if (!info.has_results_removed_at()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("--diff: the rows of action ", info.action_id(), " were removed by retention"));
}

absl::StatusOr<bool> IsWanted(const Shared& shared, const RowDiff::Change& change) {
  if (shared.filter == nullptr) return true;
  for (const auto* row : {change.before, change.after}) {
    if (row == nullptr) continue;
    DRAGNET_ASSIGN_OR_RETURN(const bool matches,
                             shared.filter->Matches(change.agent, change.agent_id, *row));
    if (matches) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<int> ShowDiff(const v1::ActionInfo& before, const v1::ActionInfo& after,
                             const DiffOptions& options, Session& session) {
  Io& io = session.io();
  DRAGNET_RETURN_IF_ERROR(CheckKept(before));
  DRAGNET_RETURN_IF_ERROR(CheckKept(after));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action first, DecodeAction(before.envelope()));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action second, DecodeAction(after.envelope()));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<Shared> operations,
                           SharedOperations(first, second, options, session.modules()));
  std::vector<RowDiff::Operation> parts;
  for (const Shared& shared : operations)
    parts.push_back({shared.prototype.get(), shared.key, shared.compared});
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<RowDiff> diff, RowDiff::Create(std::move(parts)));

  const Interrupt interrupt;
  uint64_t lost = 0;
  std::vector<std::string> notes;
  for (const RowDiff::Run run : {RowDiff::kBefore, RowDiff::kAfter}) {
    const v1::Action& action = run == RowDiff::kBefore ? first : second;
    DRAGNET_ASSIGN_OR_RETURN(RowSelection rows,
                             RowSelection::Create(action, session.modules(), {}));
    Gathering gathering(*diff, run, operations);
    DRAGNET_RETURN_IF_ERROR(ReadStored(action, rows, gathering, interrupt, session).status());
    lost += rows.lost();
    for (const std::string& note : rows.Notes()) notes.push_back(note);
  }

  ChangeWriter writer(operations, options.format, io);
  uint64_t shown = 0;
  const absl::Status told = diff->ForEach([&](const RowDiff::Change& change) -> absl::Status {
    if (interrupt.raised()) return absl::CancelledError("interrupted");
    const absl::StatusOr<bool> wanted = IsWanted(operations[change.operation], change);
    // Which no one can say of: not left out silently.
    if (!wanted.ok()) {
      ++lost;
      if (notes.empty()) notes.push_back(StrCat("warning: ", ToStd(wanted.status().message())));
      return absl::OkStatus();
    }
    if (!*wanted) return absl::OkStatus();
    ++shown;
    writer.Write(change);
    return shown % 1024 == 0 ? io.out->Flush() : absl::OkStatus();
  });
  writer.Finish();
  const absl::Status written = io.out->Flush();
  DRAGNET_RETURN_IF_ERROR(told);
  DRAGNET_RETURN_IF_ERROR(written);
  SayCounts(*diff, operations, options, shown, io);
  const std::vector<std::string> differences = DifferentQuestions(first, second, operations);
  if (!differences.empty())
    io.Say(StrCat("note: the two don't ask the same: ", absl::StrJoin(differences, "; ")));
  for (const std::string& note : notes) io.Say(ForTerminal(note));
  const RowDiff::Counts& counts = diff->counts();
  const bool whole = counts.hosts_not_whole_before + counts.hosts_not_whole_after == 0;
  return whole && lost == 0 && counts.hosts_compared > 0 ? kExitDone : kExitIncomplete;
}

}  // namespace dragnet::console
