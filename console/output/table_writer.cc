#include "console/output/table_writer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "console/output/text_width.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// A single long value does not push the other columns off the screen for good.
constexpr size_t kWidestColumn = 60;
// Rows that wait for their widths, if no one flushes.
constexpr size_t kMostWaiting = 500;

}  // namespace

TableWriter::TableWriter(std::vector<Layout> layouts, Sink* sink, bool bold_headers)
    : layouts_(std::move(layouts)), sink_(sink), bold_headers_(bold_headers) {}

TableWriter::Line TableWriter::HeaderOf(const Layout& layout) const {
  Line header;
  for (const Label& label : layout.labels)
    if (!label.header.empty()) header.push_back(label.header);
  for (const Column& column : layout.columns)
    if (!column.detail) header.push_back(absl::StrReplaceAll(column.header, {{"_", " "}}));
  for (std::string& title : header) title = absl::AsciiStrToUpper(title);
  return header;
}

void TableWriter::Begin(size_t layout) {
  if (current_ == layout) return;
  Flush();
  if (current_.has_value()) sink_->Write("\n");
  current_ = layout;
  header_printed_ = false;
  widths_.clear();
}

void TableWriter::Add(Line line) {
  waiting_.push_back(std::move(line));
  if (waiting_.size() >= kMostWaiting) Flush();
}

void TableWriter::WriteValues(size_t layout, std::span<const Value> values) {
  Begin(layout);
  Line line;
  for (size_t i = 0; i < values.size(); ++i)
    if (!layouts_[layout].labels[i].header.empty()) line.push_back(ForTerminal(values[i].text));
  Add(std::move(line));
}

void TableWriter::Write(size_t layout, std::span<const std::string> labels,
                        const google::protobuf::Message& message) {
  Begin(layout);
  Line line;
  for (size_t i = 0; i < labels.size(); ++i)
    if (!layouts_[layout].labels[i].header.empty()) line.push_back(ForTerminal(labels[i]));
  for (const Column& column : layouts_[layout].columns)
    if (!column.detail)
      line.push_back(ForTerminal(CellOf(message, column, CellStyle::kTable).text));
  Add(std::move(line));
}

void TableWriter::Flush() {
  if (waiting_.empty()) return;
  const Line header = HeaderOf(layouts_[*current_]);
  if (!header_printed_) Widen(header);
  for (const Line& line : waiting_) Widen(line);
  if (!header_printed_) Put(header, /*header=*/true);
  header_printed_ = true;
  for (const Line& line : waiting_) Put(line, /*header=*/false);
  waiting_.clear();
}

void TableWriter::Widen(const Line& line) {
  widths_.resize(std::max(widths_.size(), line.size()), 0);
  for (size_t i = 0; i < line.size(); ++i) {
    widths_[i] = std::max(widths_[i], std::min(DisplayWidth(line[i]), kWidestColumn));
  }
}

void TableWriter::Put(const Line& line, bool header) {
  std::string text;
  for (size_t i = 0; i < line.size(); ++i) {
    if (i > 0) text.append("  ");
    text.append(i + 1 < line.size() ? PadRight(line[i], widths_[i]) : line[i]);
  }
  absl::StripTrailingAsciiWhitespace(&text);
  if (header && bold_headers_) text = "\x1b[1m" + text + "\x1b[0m";
  sink_->Write(text.append("\n"));
}

}  // namespace dragnet::console
