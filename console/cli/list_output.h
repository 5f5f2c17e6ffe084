// Lists of protobuf messages as --output wants them. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "console/cli/io.h"
#include "console/output/record_writer.h"

namespace dragnet::console {

struct ListColumn {
  // Dotted path in the message.
  std::string_view path;
  // "last_seen" is headed LAST SEEN.
  std::string_view header;
  // Only in csv.
  bool detail = false;
};

Layout ListLayout(const google::protobuf::Descriptor* type, const std::vector<ListColumn>& columns);

// Writes all of `items` (messages of one type). Says `none` on standard error
// when there are none.
template <class Items>
absl::Status PrintList(const Items& items, const std::vector<ListColumn>& columns,
                       std::string_view output, std::string_view none, Io& io) {
  const auto writer = RecordWriter::Create(
      *ParseFormat(output), {ListLayout(Items::value_type::descriptor(), columns)}, io.out,
      {.terminal = io.output_is_terminal, .color = io.color});
  for (const auto& item : items) writer->Write(0, {}, item);
  writer->Finish();
  const absl::Status written = io.out->Flush();
  if (items.empty()) io.Say(none);
  return written;
}

}  // namespace dragnet::console
