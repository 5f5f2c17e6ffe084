// Tables, JSON, JSON Lines and CSV over protobuf messages. Not thread-safe.
//
//   auto writer = RecordWriter::Create(Format::kTable, {layout}, &sink, {});
//   writer->Write(0, {"web-1"}, row);
//   writer->Finish();
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "console/output/cell.h"
#include "console/output/sink.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

enum class Format { kTable, kJson, kJsonl, kCsv };

// "table", "json", "jsonl", "csv".
std::optional<Format> ParseFormat(std::string_view word);
inline constexpr std::string_view kFormats[] = {"table", "json", "jsonl", "csv"};

// What a record has beside its message, e.g. the agent that it came from.
struct Label {
  // Column header in tables; empty: not in tables.
  std::string header;
  // Key in JSON and column in CSV.
  std::string key;
  bool number = false;
};

// How one kind of record is laid out. `columns` are for tables and CSV (those
// of `detail` only in CSV); JSON has the whole message, at the top level or, if
// `json_key` is given, below that key.
struct Layout {
  std::vector<Label> labels;
  std::vector<Column> columns;
  std::string json_key;
  // JSON has only `columns`, by their headers ("hash.sha256"); what the message
  // doesn't have is null.
  bool only_columns = false;
};

// One field of a record that is no message: a count, what a query gives.
struct Value {
  enum class Kind { kNull, kNumber, kText };
  Kind kind = Kind::kNull;
  // As it is: not yet fit for a terminal. A number in JSON's form.
  std::string text;

  static Value Null() { return {}; }
  static Value Text(std::string text) { return {Kind::kText, std::move(text)}; }
  static Value Number(std::string text) { return {Kind::kNumber, std::move(text)}; }
};

class RecordWriter {
 public:
  struct Options {
    // The sink is a terminal: CSV, too, is made safe for it.
    bool terminal = false;
    // Bold headers.
    bool color = false;
  };

  // Several layouts: records of several kinds in one output. All must have the
  // same labels.
  static std::unique_ptr<RecordWriter> Create(Format format, std::vector<Layout> layouts,
                                              Sink* sink, Options options);
  virtual ~RecordWriter() = default;

  // `labels` are parallel to the layout's.
  virtual void Write(size_t layout, std::span<const std::string> labels,
                     const google::protobuf::Message& message) = 0;
  // A record without a message, in a layout without columns: `values` are
  // parallel to its labels.
  virtual void WriteValues(size_t layout, std::span<const Value> values) = 0;
  // Puts out what waits for its column width. Called when rows should be seen,
  // e.g. after each batch from the network.
  virtual void Flush() {}
  // Called once, at the end.
  virtual void Finish() {}
};

// A CSV field (RFC 4180). Free text that a spreadsheet would take for a formula
// gets a ' in front (OWASP, "CSV Injection"), also inside a value, where one that
// splits at semicolons or tabs would start a cell. Line ends become \n and \r.
std::string CsvField(std::string_view text, bool free_text);

}  // namespace dragnet::console
