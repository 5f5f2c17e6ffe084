// The rows of one operation, as many as there are: their bytes lie in a scratch
// file, memory has 12 bytes for each (where it lies, how long it is, and whose).
// Rows are numbered as they come and never change.
//
//   memory: 12 bytes a row, in blocks of 768 KiB; a million rows: 12 MB
//
// RowStore is thread-safe. A RowReader belongs to one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "console/tui/results/scratch_file.h"
#include "core/mutex.h"
#include "google/protobuf/repeated_ptr_field.h"

namespace dragnet::console::tui {

class RowStore {
 public:
  // Bounds of an entry of the index.
  static constexpr uint64_t kMaxFileBytes = uint64_t{1} << 40;
  static constexpr uint32_t kMaxAgents = 1u << 24;
  static constexpr uint32_t kMaxRows = 0xffff'fff0u;

  explicit RowStore(std::shared_ptr<ScratchFile> file) : file_(std::move(file)) {}

  // All of `rows` or, when that fails, none. ResourceExhausted: the disk, or one of
  // the bounds above.
  absl::Status Append(uint32_t agent, const google::protobuf::RepeatedPtrField<std::string>& rows);

  uint32_t size() const;
  // Of the index.
  size_t memory_bytes() const;

 private:
  friend class RowReader;
  struct Place {
    uint64_t offset;
    uint32_t length;
    uint32_t agent;
  };
  struct Entry {
    // In words of 4 bytes, so that it takes 12: the low 32 bits of the offset, the
    // next 8 before 24 of the agent's number.
    uint32_t low;
    uint32_t high_and_agent;
    uint32_t length;
  };
  static_assert(sizeof(Entry) == 12);
  static constexpr size_t kBlock = 65'536;
  using Block = std::array<Entry, kBlock>;

  // Of at most `most` rows from `row` on.
  void PlacesOf(uint32_t row, size_t most, std::vector<Place>* places) const;

  const std::shared_ptr<ScratchFile> file_;
  mutable WaitableMutex mutex_;
  std::vector<std::unique_ptr<Block>> blocks_;
  uint32_t size_ = 0;
};

// Reads rows, best in rising order: then most of them are in memory already.
class RowReader {
 public:
  // `store` must outlive it.
  explicit RowReader(const RowStore& store) : store_(store) {}

  // `bytes` are good until the next call.
  absl::Status Read(uint32_t row, std::string_view* bytes, uint32_t* agent);

 private:
  const RowStore& store_;
  // Places of rows from `first_` on.
  std::vector<RowStore::Place> places_;
  uint32_t first_ = 0;
  std::string window_;
  uint64_t window_begin_ = 0;
  uint64_t last_end_ = 0;
};

}  // namespace dragnet::console::tui
