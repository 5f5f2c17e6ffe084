// What is scanned, as bytes that can be read at an offset: a file, a buffer or
// the memory of a process. One thread's. Internal to modules/scan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "modules/scan/yara.h"

namespace dragnet::scan {

class Source {
 public:
  virtual ~Source() = default;

  // Copies up to `size` bytes at `offset`; fewer where the readable bytes end.
  virtual size_t Read(uint64_t offset, char* to, size_t size) = 0;

  // The bytes themselves where they are in memory already, else null.
  virtual const char* Direct(uint64_t offset, size_t size) const {
    if (offset < kept_offset_ || offset - kept_offset_ > kept_.size()) return nullptr;
    const uint64_t within = offset - kept_offset_;
    return size <= kept_.size() - within ? kept_.data() + within : nullptr;
  }

  // `bytes`, which are at `offset`, stay where they are from now on.
  void Keep(uint64_t offset, std::string_view bytes) {
    kept_offset_ = offset;
    kept_ = bytes;
  }

  // Whether reading goes on behind bytes that can't be read.
  virtual bool has_holes() const { return false; }

  // Not OK if something could not be read that should have been.
  virtual absl::Status status() const { return absl::OkStatus(); }

 private:
  uint64_t kept_offset_ = 0;
  std::string_view kept_;
};

class FileSource : public Source {
 public:
  explicit FileSource(int fd) : fd_(fd) {}
  size_t Read(uint64_t offset, char* to, size_t size) override;
  absl::Status status() const override;

 private:
  const int fd_;
  int error_ = 0;
};

class BufferSource : public Source {
 public:
  explicit BufferSource(std::string_view bytes) : bytes_(bytes) {}
  size_t Read(uint64_t offset, char* to, size_t size) override;
  const char* Direct(uint64_t offset, size_t size) const override;

 private:
  const std::string_view bytes_;
};

class MemorySource : public Source {
 public:
  explicit MemorySource(const YaraScanner::ReadBlock& read) : read_(read) {}
  size_t Read(uint64_t offset, char* to, size_t size) override;
  bool has_holes() const override { return true; }

 private:
  const YaraScanner::ReadBlock& read_;
};

}  // namespace dragnet::scan
