// What a running module reports, put into frames for the monitor as it comes:
// the first row at once, later ones in batches by size and age.
//
// Thread-safe, as RunContext asks. Writing blocks when the monitor doesn't
// read: that is how it holds the module back. No thread of its own; a batch
// that has grown old leaves with the next report of any kind.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/ipc/ipc.pb.h"
#include "modules/module.h"

namespace dragnet {

inline constexpr size_t kMaxRowBytes = 64 * 1024;
inline constexpr size_t kMaxRowsMessageBytes = 256 * 1024;
inline constexpr int64_t kMaxBatchAgeNanoseconds = 50'000'000;
inline constexpr size_t kMaxReasons = 64;
inline constexpr size_t kMaxReasonBytes = 256;
inline constexpr int kMaxExamples = 5;
inline constexpr size_t kMaxExampleBytes = 512;
inline constexpr int kMaxLimitsHit = 64;

class RowStream : public RunContext {
 public:
  // Nanoseconds of a clock that never goes back; tests turn it.
  using SteadyClock = int64_t (*)();

  RowStream(int fd, ipc::Job::Format format, SteadyClock clock = &SystemClock);

  bool EmitRow(const google::protobuf::Message& row) override;
  // A piece of a document instead of a row, at most kMaxRowBytes, as it is.
  bool EmitPiece(std::string_view piece);
  void AddExamined(uint64_t items, uint64_t bytes) override;
  void NoteUnexamined(std::string_view reason, std::string_view example) override;
  void NoteLimitHit(std::string_view what) override;
  bool stopping() const override { return stopping_.load(std::memory_order_relaxed); }

  // Once, after the module returned: the rest of the rows, then the last message.
  absl::Status Finish();
  absl::Status Fail(ipc::Failed::Kind kind, std::string_view detail);

  static int64_t SystemClock();

 private:
  absl::StatusOr<std::string> Encode(const google::protobuf::Message& row) const;
  bool BatchIsOld() const;
  // These hold mutex_.
  void Add(std::string encoded_row);
  void Flush();
  void Write(const ipc::WorkerToMonitor& message);

  const int fd_;
  const ipc::Job::Format format_;
  const SteadyClock clock_;

  std::atomic<bool> stopping_ = false;
  std::atomic<uint64_t> items_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  // When the oldest row of the batch came; 0 for an empty one.
  std::atomic<int64_t> batch_since_ = 0;

  std::mutex mutex_;
  ipc::WorkerToMonitor batch_;
  size_t batch_bytes_ = 0;
  bool first_row_sent_ = false;
  absl::Status written_;
  std::map<std::string, v1::Unexamined, std::less<>> unexamined_;
  v1::ModuleSummary summary_;
};

}  // namespace dragnet
