// Sorts rows by one of their columns, however many there are: keys are sorted in
// parts of bounded size, which go to scratch files and are merged.
//
//   memory: 8 MiB of keys and 4 MiB of their places while rows are added; 64 KiB
//   for each part and 4 bytes a row while they are merged
//
// Not thread-safe; may move between threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/output/cell.h"
#include "console/tui/results/row_parser.h"
#include "console/tui/results/scratch_file.h"

namespace dragnet::console::tui {

// Bytes that are in order as values of the column are; empty for what isn't set.
// At most kMostSortKeyBytes: what differs only after that is equal.
inline constexpr size_t kMostSortKeyBytes = 1024;
std::string SortKey(const google::protobuf::Message& row, const Column& column);

class RowSorter {
 public:
  // No column: by the agent's name. Scratch files are made in `directory`.
  RowSorter(RowParser parser, std::optional<Column> column, std::string directory)
      : parser_(std::move(parser)), column_(std::move(column)), directory_(std::move(directory)) {}

  // Further rows, in the order in which equal ones are to stay.
  absl::Status Add(std::span<const uint32_t> rows);
  // All rows added so far, sorted. Cancelled: `cancelled` became true.
  absl::StatusOr<std::vector<uint32_t>> Sorted(const std::atomic<bool>& cancelled);

 private:
  struct Key {
    uint32_t offset;
    uint32_t length;
    uint32_t row;
  };
  struct Part {
    std::unique_ptr<ScratchFile> file;
    uint64_t rows = 0;
  };
  class PartReader;
  class PartWriter;

  absl::Status WritePart();

  RowParser parser_;
  const std::optional<Column> column_;
  const std::string directory_;
  std::string bytes_;
  std::vector<Key> keys_;
  std::vector<Part> parts_;
};

}  // namespace dragnet::console::tui
