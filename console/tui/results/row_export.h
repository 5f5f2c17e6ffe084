// Writes rows to a file, some at a time, for work in the background. Not
// thread-safe; may move between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/output/record_writer.h"
#include "console/tui/results/row_parser.h"
#include "core/unique_fd.h"

namespace dragnet::console::tui {

// By the end of the name: .csv, .json, .jsonl. InvalidArgument names these.
absl::StatusOr<Format> FormatOfFile(const std::string& path);

class RowExport {
 public:
  // Makes the file, for this user alone. AlreadyExists: nothing is overwritten.
  static absl::StatusOr<std::unique_ptr<RowExport>> Create(std::shared_ptr<const ResultSet> results,
                                                           uint32_t operation, const Module& module,
                                                           const std::string& path);
  // Removes the file unless it was finished.
  ~RowExport();

  absl::Status Write(std::span<const uint32_t> rows);
  absl::Status Finish();
  // Rows that aren't rows of the module, and so are not in the file.
  uint64_t unreadable() const { return unreadable_; }

 private:
  RowExport(std::shared_ptr<const ResultSet> results, uint32_t operation, const Module& module,
            std::string path, UniqueFd fd, Format format);

  const std::shared_ptr<const ResultSet> results_;
  const uint32_t operation_;
  const std::string module_;
  const std::string path_;
  RowParser parser_;
  UniqueFd fd_;
  FdSink sink_;
  std::unique_ptr<RecordWriter> writer_;
  uint64_t unreadable_ = 0;
  bool finished_ = false;
};

}  // namespace dragnet::console::tui
