// CSV (RFC 4180, but lines end in LF alone: cut and sort see no stray CR) that
// spreadsheets open without running anything. Not thread-safe; made by
// RecordWriter::Create.
#pragma once

#include <string>
#include <vector>

#include "console/output/record_writer.h"

namespace dragnet::console {

// The header always comes, also when there are no rows. Several layouts share
// one header: the labels, then every column name once; what a record does not
// have stays empty.
class CsvWriter : public RecordWriter {
 public:
  CsvWriter(std::vector<Layout> layouts, Sink* sink, bool for_terminal);

  void Write(size_t layout, std::span<const std::string> labels,
             const google::protobuf::Message& message) override;
  void WriteValues(size_t layout, std::span<const Value> values) override;
  void Finish() override { PutHeader(); }

 private:
  void PutHeader();
  std::string Field(std::string_view text, bool free_text) const;

  const std::vector<Layout> layouts_;
  Sink* const sink_;
  const bool for_terminal_;
  bool header_printed_ = false;
  // Column names over all layouts.
  std::vector<std::string> columns_;
};

}  // namespace dragnet::console
