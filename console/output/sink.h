// Where text goes: standard output, standard error, or a test's string.
// Not thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dragnet::console {

class Sink {
 public:
  virtual ~Sink() = default;
  // Errors are remembered and reported by Flush(), so that callers can write a
  // whole table and look once.
  virtual void Write(std::string_view text) = 0;
  // The first error of any Write so far, e.g. a full disk.
  virtual absl::Status Flush() = 0;
};

// Buffers up to 64 KiB, then writes to a descriptor that someone else owns.
class FdSink : public Sink {
 public:
  // `name` is for error messages: "standard output".
  FdSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  ~FdSink() override;
  FdSink(const FdSink&) = delete;
  FdSink& operator=(const FdSink&) = delete;

  void Write(std::string_view text) override;
  absl::Status Flush() override;

 private:
  int fd_;
  std::string name_;
  std::string buffer_;
  absl::Status status_;
};

class StringSink : public Sink {
 public:
  void Write(std::string_view text) override { text_.append(text); }
  absl::Status Flush() override { return absl::OkStatus(); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace dragnet::console
