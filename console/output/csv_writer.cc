#include "console/output/csv_writer.h"

#include <algorithm>

#include "absl/strings/str_replace.h"
#include "core/text.h"

namespace dragnet::console {

namespace {

// What Excel, LibreOffice and Sheets take as the start of a formula: = + - @
// and their full-width forms, which Excel folds to the narrow ones.
bool StartsFormula(std::string_view text) {
  static constexpr std::string_view kStarts[] = {
      "=", "+", "-", "@", "\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D", "\xEF\xBC\xA0"};
  return std::any_of(std::begin(kStarts), std::end(kStarts),
                     [&](std::string_view start) { return text.starts_with(start); });
}

// An apostrophe before whatever could become a formula: at the start of `text`,
// and where a cell starts for a spreadsheet that splits at semicolons, tabs or
// lines. Quotes and spaces there don't count: an import strips them.
std::string Defused(std::string_view text) {
  std::string defused;
  bool cell_starts = true;
  // An import may strip these, and what they separate.
  if (!text.empty() && std::string_view("\t\r\n").find(text.front()) != std::string_view::npos) {
    defused.push_back('\'');
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (cell_starts && StartsFormula(text.substr(i))) defused.push_back('\'');
    const char c = text[i];
    defused.push_back(c);
    const bool separates = c == ';' || c == '\t' || c == '\r' || c == '\n';
    cell_starts = separates || (cell_starts && (c == '"' || c == ' '));
  }
  return defused;
}

}  // namespace

std::string CsvField(std::string_view text, bool free_text) {
  // A record stays one line, whatever a reader thinks of quotes.
  const std::string field = absl::StrReplaceAll(free_text ? Defused(text) : std::string(text),
                                                {{"\n", "\\n"}, {"\r", "\\r"}});
  if (field.find_first_of(",\";'\t ") == std::string::npos) return field;
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
    // A query names its own columns.
    for (const Label& label : layouts_.front().labels)
      line.append(Field(label.key, /*free_text=*/true)).append(",");
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

void CsvWriter::WriteValues(size_t, std::span<const Value> values) {
  PutHeader();
  std::string line;
  for (const Value& value : values) {
    if (!line.empty() || &value != values.data()) line.push_back(',');
    line.append(Field(value.text, value.kind == Value::Kind::kText));
  }
  sink_->Write(line.append("\n"));
}

}  // namespace dragnet::console
