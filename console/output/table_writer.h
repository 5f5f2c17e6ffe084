// Aligned columns for people. Not thread-safe; made by RecordWriter::Create.
#pragma once

#include <string>
#include <vector>

#include "console/output/record_writer.h"

namespace dragnet::console {

// Rows stream: the widths come from the first batch (up to the first Flush) and
// grow after, so nothing is ever cut and no row waits for the last one. All
// text goes through ForTerminal.
class TableWriter : public RecordWriter {
 public:
  TableWriter(std::vector<Layout> layouts, Sink* sink, bool bold_headers);

  void Write(size_t layout, std::span<const std::string> labels,
             const google::protobuf::Message& message) override;
  void WriteValues(size_t layout, std::span<const Value> values) override;
  void Flush() override;
  void Finish() override { Flush(); }

 private:
  using Line = std::vector<std::string>;

  void Begin(size_t layout);
  void Add(Line line);
  Line HeaderOf(const Layout& layout) const;
  void Put(const Line& line, bool header);
  void Widen(const Line& line);

  const std::vector<Layout> layouts_;
  Sink* const sink_;
  const bool bold_headers_;
  // The layout whose header was printed last; none at first.
  std::optional<size_t> current_;
  bool header_printed_ = false;
  std::vector<Line> waiting_;
  std::vector<size_t> widths_;
};

}  // namespace dragnet::console
