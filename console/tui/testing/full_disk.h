// A scratch file on a disk that has only so much room.
#pragma once

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>

#include "console/tui/results/scratch_file.h"
#include "core/file_io.h"

namespace dragnet::console::tui::testing {

class FullDisk : public ScratchFile {
 public:
  FullDisk(std::shared_ptr<ScratchFile> file, size_t bytes) : room(bytes), file_(std::move(file)) {}

  absl::StatusOr<uint64_t> Append(std::string_view bytes) override {
    if (bytes.size() > room) return ErrnoStatus("write a temporary file in /full", ENOSPC);
    room -= bytes.size();
    return file_->Append(bytes);
  }
  absl::Status Read(uint64_t offset, size_t most, std::string* bytes) const override {
    return file_->Read(offset, most, bytes);
  }

  std::atomic<size_t> room;

 private:
  const std::shared_ptr<ScratchFile> file_;
};

}  // namespace dragnet::console::tui::testing
