#include "console/output/csv_writer.h"

#include <algorithm>

#include "absl/strings/str_replace.h"
#include "core/text.h"

namespace dragnet::console {

std::string CsvField(std::string_view text, bool free_text) {
  // Excel, LibreOffice and Sheets take these as the start of a formula, the
  // last two after having been stripped by an import.
  static constexpr std::string_view kFormulaStart = "=+-@\t\r\n";
  std::string field;
  // Full-width forms of = + - @, which Excel folds to the narrow ones.
  const bool full_width = text.starts_with("\xEF\xBC\x9D") || text.starts_with("\xEF\xBC\x8B") ||
                          text.starts_with("\xEF\xBC\x8D") || text.starts_with("\xEF\xBC\xA0");
  if (free_text && !text.empty() &&
      (kFormulaStart.find(text.front()) != std::string_view::npos || full_width)) {
    field.push_back('\'');
  }
  field.append(text);
  if (field.find_first_of(",\";'\r\n\t ") == std::string::npos) return field;
  return "\"" + absl::StrReplaceAll(field, {{"\"", "\"\""}}) + "\"";
}

CsvWriter::CsvWriter(std::vector<Layout> layouts, Sink* sink, bool for_terminal)
    : layouts_(std::move(layouts)), sink_(sink), for_terminal_(for_terminal) {
  for (const Layout& layout : layouts_) {
    for (const Column& column : layout.columns) {
      if (std::find(columns_.begin(), columns_.end(), column.header) == columns_.end()) {
        columns_.push_back(column.header);
      }
    }
  }
}

std::string CsvWriter::Field(std::string_view text, bool free_text) const {
  return CsvField(for_terminal_ ? ForTerminal(text) : ToValidUtf8(text), free_text);
}

void CsvWriter::PutHeader() {
  if (header_printed_) return;
  header_printed_ = true;
  std::string line;
  if (!layouts_.empty()) {
    for (const Label& label : layouts_.front().labels) line.append(label.key).append(",");
  }
  for (const std::string& column : columns_) line.append(column).append(",");
  if (!line.empty()) line.pop_back();
  sink_->Write(line.append("\n"));
}

void CsvWriter::Write(size_t layout, std::span<const std::string> labels,
                      const google::protobuf::Message& message) {
  PutHeader();
  std::string line;
  for (size_t i = 0; i < labels.size(); ++i) {
    line.append(Field(labels[i], !layouts_[layout].labels[i].number)).append(",");
  }
  const std::vector<Column>& columns = layouts_[layout].columns;
  for (const std::string& name : columns_) {
    const auto column = std::find_if(columns.begin(), columns.end(),
                                     [&](const Column& c) { return c.header == name; });
    if (column != columns.end()) {
      const Cell cell = CellOf(message, *column, CellStyle::kData);
      line.append(Field(cell.text, cell.free_text));
    }
    line.push_back(',');
  }
  if (!line.empty()) line.pop_back();
  sink_->Write(line.append("\n"));
}

}  // namespace dragnet::console
