#include "console/cli/stack_view.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/cli/command_line.h"
#include "console/investigation/stack_request.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/empty.pb.h"

namespace dragnet::console {
namespace {

// All labels: the message of an entry has every other field of a row, too, as
// if it were empty.
Layout StackLayout(const std::vector<Column>& columns) {
  Layout layout;
  layout.labels = {{"rows", "rows", /*number=*/true}, {"agents", "agents", /*number=*/true}};
  for (const Column& column : columns)
    layout.labels.push_back({absl::StrReplaceAll(column.header, {{"_", " "}}), column.header});
  return layout;
}

std::string Values(uint64_t count) { return StrCat(count, count == 1 ? " value" : " values"); }

void SayTotals(const v1::StackResponse& response, const StackOptions& options, Io& io) {
  io.Say(response.rows() == 0 ? std::string("no rows")
                              : StrCat(response.different(), " different ",
                                       response.different() == 1 ? "value" : "values", " in ",
                                       response.rows(), " rows"));
  const uint64_t shown = static_cast<uint64_t>(response.entries_size());
  if (response.different() > shown) {
    uint64_t rows = 0;
    for (const v1::StackResponse::Entry& entry : response.entries()) rows += entry.rows();
    io.Say(StrCat(response.different() - shown, " more ",
                  options.rarest_first ? "that are more frequent" : "that are rarer",
                  " are not shown, in ", response.rows() > rows ? response.rows() - rows : 0,
                  " rows (--limit ", options.limit, ", ", Values(shown), " shown)"));
  }
  if (response.unreadable() > 0)
    io.Say(StrCat("warning: ", response.unreadable(), " rows could not be read; none is counted"));
}

}  // namespace

absl::StatusOr<std::vector<Column>> StackColumns(const Module& module,
                                                 const std::vector<std::string>& names) {
  const std::vector<Column> all = ColumnsOf(module.NewRow()->GetDescriptor());
  std::vector<std::string> known;
  for (const Column& column : all) known.push_back(column.header);
  std::vector<Column> columns;
  for (const std::string& name : names) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      const std::string near = Nearest(name, known);
      return absl::InvalidArgumentError(StrCat("--stack: rows of module ", module.manifest().name,
                                               " have no column \"", name, "\"",
                                               near.empty() ? "" : StrCat(" (", near, "?)"),
                                               ": they have ", absl::StrJoin(known, ", ")));
    }
    columns.push_back(all[static_cast<size_t>(found - known.begin())]);
  }
  return columns;
}

absl::Status ShowStack(const v1::Action& action, uint32_t operation, const StackOptions& options,
                       Session& session, bool* rows_lost) {
  const std::string& name = action.operations(static_cast<int>(operation)).module();
  const Module* module = session.modules().Find(name);
  if (module == nullptr)
    return absl::InvalidArgumentError(StrCat("--stack: this version has no module ", name));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<Column> columns,
                           StackColumns(*module, options.columns));
  DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
  DRAGNET_ASSIGN_OR_RETURN(const v1::StackResponse response,
                           client->Stack(NewStackRequest(action.id(), operation, columns,
                                                         options.limit, !options.rarest_first)));

  Io& io = session.io();
  const auto writer = RecordWriter::Create(options.format, {StackLayout(columns)}, io.out,
                                           {.terminal = io.output_is_terminal, .color = io.color});
  const CellStyle style = options.format == Format::kTable ? CellStyle::kTable : CellStyle::kData;
  const std::unique_ptr<google::protobuf::Message> row = module->NewRow();
  // Of any type without fields: all is in the labels.
  const google::protobuf::Empty nothing;
  uint64_t lost = response.unreadable();
  for (const v1::StackResponse::Entry& entry : response.entries()) {
    if (!row->ParseFromString(entry.row())) {
      lost += entry.rows();
      io.Say(StrCat("warning: ", entry.rows(), " rows are not of module ", name));
      continue;
    }
    std::vector<std::string> labels = {StrCat(entry.rows()), StrCat(entry.agents())};
    for (const Column& column : columns) labels.push_back(CellOf(*row, column, style).text);
    writer->Write(0, labels, nothing);
  }
  writer->Finish();
  const absl::Status written = io.out->Flush();
  SayTotals(response, options, io);
  *rows_lost = lost > 0;
  return written;
}

}  // namespace dragnet::console
