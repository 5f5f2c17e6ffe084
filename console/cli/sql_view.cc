#include "console/cli/sql_view.h"

#include <algorithm>
#include <map>

#include "console/analysis/result_database.h"
#include "console/cli/exit_status.h"
#include "console/cli/interrupt.h"
#include "console/cli/stored_results.h"
#include "console/investigation/summary.h"
#include "console/output/text_width.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

RowTables TablesOf(const v1::Action& action, const ModuleCatalog& modules) {
  RowTables tables;
  for (const v1::Operation& operation : action.operations()) {
    const Module* module = modules.Find(operation.module());
    const auto known = std::find_if(tables.begin(), tables.end(), [&](const auto& table) {
      return table.first == operation.module();
    });
    if (module != nullptr && known == tables.end())
      tables.emplace_back(operation.module(), module->NewRow()->GetDescriptor());
  }
  return tables;
}

std::string TimeText(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", *time, absl::UTCTimeZone()) : "";
}

// Fills the database; states at the end, since they may change while it reads.
class Filling : public ResultReader {
 public:
  Filling(const v1::Action& action, ResultDatabase& database)
      : action_(action), database_(database) {}

  absl::Status OnRow(const v1::AgentRows& from, const google::protobuf::Message& row) override {
    return database_.AddRow(action_.operations(static_cast<int>(from.operation())).module(),
                            from.agent_name(), from.agent_id(), from.operation(), row);
  }

  absl::Status OnState(const v1::AgentState& state) override {
    HostRecord& host = hosts_[state.agent_id()];
    host = {state.agent_name(), state.agent_id(), StateWord(state.state()), state.rows(),
            NotLookedAt(action_, state)};
    refusals_.erase(state.agent_id());
    if (state.has_refusal()) {
      const auto* reason =
          v1::Refusal::Reason_descriptor()->FindValueByNumber(state.refusal().reason());
      refusals_[state.agent_id()] = {
          state.agent_name(), state.agent_id(),
          reason == nullptr ? StrCat(state.refusal().reason()) : EnumWord(reason),
          state.refusal().detail(), TimeText(state.refusal().refused_at())};
    }
    return absl::OkStatus();
  }

  absl::Status Finish() {
    for (const auto& [id, host] : hosts_) DRAGNET_RETURN_IF_ERROR(database_.AddHost(host));
    for (const auto& [id, refusal] : refusals_)
      DRAGNET_RETURN_IF_ERROR(database_.AddRefusal(refusal));
    return absl::OkStatus();
  }

 private:
  const v1::Action& action_;
  ResultDatabase& database_;
  std::map<std::string, HostRecord> hosts_;
  std::map<std::string, RefusalRecord> refusals_;
};

absl::StatusOr<std::string> QueryText(const std::string& given, Io& io) {
  if (given == "-") return io.read_input();
  if (given.starts_with('@')) return ReadFile(given.substr(1), kMaxQueryBytes);
  return given;
}

absl::StatusOr<uint64_t> PrintAnswer(ResultDatabase& database, Format format, Io& io) {
  Layout layout;
  for (const std::string& name : database.columns()) layout.labels.push_back({name, name});
  // An unnamed column has a place in tables, too.
  for (Label& label : layout.labels)
    if (label.header.empty()) label.header = " ";
  const auto writer = RecordWriter::Create(format, {layout}, io.out,
                                           {.terminal = io.output_is_terminal, .color = io.color});
  std::vector<Value> values;
  uint64_t records = 0;
  absl::Status status;
  while (true) {
    const absl::StatusOr<bool> more = database.Next(&values);
    status = more.status();
    if (!more.ok() || !*more) break;
    writer->WriteValues(0, values);
    // A full disk, a closed pipe.
    if (++records % 1024 == 0) DRAGNET_RETURN_IF_ERROR(io.out->Flush());
  }
  // What was found until an error is complete lines.
  writer->Finish();
  const absl::Status written = io.out->Flush();
  DRAGNET_RETURN_IF_ERROR(status);
  DRAGNET_RETURN_IF_ERROR(written);
  return records;
}

}  // namespace

absl::StatusOr<int> ShowSql(const v1::Action& action, const SqlOptions& options, Session& session) {
  Io& io = session.io();
  DRAGNET_ASSIGN_OR_RETURN(const std::string query, QueryText(options.query, io));
  DRAGNET_ASSIGN_OR_RETURN(RowSelection rows,
                           RowSelection::Create(action, session.modules(), options.rows));
  const Interrupt interrupt;
  absl::Time deadline = absl::InfiniteFuture();
  ResultDatabase::Limits limits;
  limits.stop = [&] { return interrupt.raised() || session.now() > deadline; };
  auto database =
      ResultDatabase::Create(TablesOf(action, session.modules()), query, std::move(limits));
  if (!database.ok()) {
    return absl::Status(database.status().code(),
                        StrCat(database.status().message(), " (the tables: dragnet results ",
                               action.id(), " --schema)"));
  }
  Filling filling(action, **database);
  DRAGNET_ASSIGN_OR_RETURN(const v1::Progress progress,
                           ReadStored(action, rows, filling, interrupt, session));
  DRAGNET_RETURN_IF_ERROR(filling.Finish());
  deadline = session.now() + options.time_limit;
  const absl::StatusOr<uint64_t> records = PrintAnswer(**database, options.format, io);
  if (absl::IsCancelled(records.status()) && !interrupt.raised()) {
    return absl::DeadlineExceededError(
        StrCat("--sql: the query takes more than ", absl::FormatDuration(options.time_limit),
               ": give it longer with --time-limit, or take fewer rows with --where"));
  }
  DRAGNET_RETURN_IF_ERROR(records.status());
  if (*records == 0) io.Say("no rows in the answer");
  io.err->Write(SummaryText(action, progress, {}, absl::ZeroDuration()));
  for (const std::string& note : rows.Notes()) io.Say(ForTerminal(note));
  return ExitStatusOf(progress, rows.lost() > 0);
}

absl::StatusOr<int> ShowSchema(const v1::Action& action, Session& session) {
  Io& io = session.io();
  const RowTables tables = TablesOf(action, session.modules());
  std::map<std::string, Documentation> documentation;
  for (const auto& [name, type] : tables) {
    DRAGNET_ASSIGN_OR_RETURN(Documentation of,
                             session.modules().DocumentationOf(*session.modules().Find(name)));
    documentation.emplace(name, std::move(of));
  }
  const size_t width = std::max<size_t>(io.width, 60);
  for (const SchemaTable& table : SchemaOf(tables)) {
    if (table.name == "rows") {
      io.out->Write("rows\n  The same table as the one above.\n\n");
      continue;
    }
    size_t widest = 0;
    for (const SchemaColumn& column : table.columns) widest = std::max(widest, column.name.size());
    const auto of = documentation.find(table.name);
    io.out->Write(StrCat(table.name, "\n"));
    for (const SchemaColumn& column : table.columns) {
      std::string text = column.text;
      if (column.field != nullptr && of != documentation.end())
        text = Opening(of->second.Of(column.field->full_name()));
      const std::string head =
          StrCat("  ", PadRight(column.name, widest), "  ", PadRight(column.type, 7), "  ");
      io.out->Write(StrCat(head, Wrap(text, width, widest + 13), "\n"));
    }
    io.out->Write("\n");
  }
  DRAGNET_RETURN_IF_ERROR(io.out->Flush());
  return kExitDone;
}

}  // namespace dragnet::console
