#include "agent/worker/row_stream.h"

#include <time.h>

#include <utility>

#include "agent/ipc/frame.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/util/json_util.h"

namespace dragnet {
namespace {

// Tag and length of a row, of the list and of the message around them.
constexpr size_t kRowOverhead = 1 + 5;
constexpr size_t kMessageOverhead = 32;

constexpr char kOtherReasons[] = "other reasons";
constexpr char kRowTooLarge[] = "row too large";

std::string Bounded(std::string_view text, size_t max_bytes) {
  // Before it is copied and decoded: a module may pass a whole buffer.
  return Shorten(ToValidUtf8(text.substr(0, 4 * max_bytes)), max_bytes);
}

}  // namespace

RowStream::RowStream(int fd, ipc::Job::Format format, SteadyClock clock)
    : fd_(fd), format_(format), clock_(clock) {}

int64_t RowStream::SystemClock() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

absl::StatusOr<std::string> RowStream::Encode(const google::protobuf::Message& row) const {
  std::string encoded;
  if (format_ != ipc::Job::FORMAT_JSON) {
    if (!row.SerializeToString(&encoded)) return absl::InternalError("row does not serialise");
    return encoded;
  }
  auto status = google::protobuf::util::MessageToJsonString(row, &encoded);
  if (!status.ok()) return absl::InternalError(status.ToString());
  return encoded;
}

bool RowStream::EmitRow(const google::protobuf::Message& row) {
  if (stopping()) return false;
  absl::StatusOr<std::string> encoded = Encode(row);
  if (!encoded.ok()) {
    NoteUnexamined("row can't be encoded", ToStd(encoded.status().message()));
    return !stopping();
  }
  if (encoded->size() > kMaxRowBytes) {
    NoteUnexamined(kRowTooLarge, *encoded);
    return !stopping();
  }
  std::lock_guard lock(mutex_);
  Add(*std::move(encoded));
  return !stopping();
}

bool RowStream::EmitPiece(std::string_view piece) {
  if (stopping()) return false;
  std::lock_guard lock(mutex_);
  Add(std::string(piece));
  return !stopping();
}

void RowStream::Add(std::string encoded_row) {
  const size_t cost = encoded_row.size() + kRowOverhead;
  if (batch_bytes_ + cost + kMessageOverhead > kMaxRowsMessageBytes) Flush();
  if (batch_bytes_ == 0) batch_since_.store(clock_(), std::memory_order_relaxed);
  batch_.mutable_rows()->add_rows(std::move(encoded_row));
  batch_bytes_ += cost;
  if (!std::exchange(first_row_sent_, true) || BatchIsOld()) Flush();
}

bool RowStream::BatchIsOld() const {
  int64_t since = batch_since_.load(std::memory_order_relaxed);
  return since != 0 && clock_() - since >= kMaxBatchAgeNanoseconds;
}

void RowStream::AddExamined(uint64_t items, uint64_t bytes) {
  items_.fetch_add(items, std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (!BatchIsOld()) return;
  // Another thread that holds it is about to look at the batch's age itself.
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && BatchIsOld()) Flush();
}

void RowStream::NoteUnexamined(std::string_view reason, std::string_view example) {
  std::string key = Bounded(reason, kMaxReasonBytes);
  std::lock_guard lock(mutex_);
  auto found = unexamined_.find(key);
  if (found == unexamined_.end()) {
    // One place is kept for all that come too late.
    if (unexamined_.size() >= kMaxReasons - 1) key = kOtherReasons;
    found = unexamined_.try_emplace(key).first;
    found->second.set_reason(key);
  }
  v1::Unexamined& unexamined = found->second;
  unexamined.set_count(unexamined.count() + 1);
  // Without a name it only counts.
  if (!example.empty() && unexamined.examples_size() < kMaxExamples) {
    unexamined.add_examples(Bounded(example, kMaxExampleBytes));
  }
}

void RowStream::NoteLimitHit(std::string_view what) {
  std::string text = Bounded(what, kMaxExampleBytes);
  std::lock_guard lock(mutex_);
  for (const std::string& known : summary_.limits_hit()) {
    if (known == text) return;
  }
  if (summary_.limits_hit_size() < kMaxLimitsHit) summary_.add_limits_hit(std::move(text));
}

void RowStream::Flush() {
  if (batch_bytes_ == 0) return;
  Write(batch_);
  batch_.Clear();
  batch_bytes_ = 0;
  batch_since_.store(0, std::memory_order_relaxed);
}

void RowStream::Write(const ipc::WorkerToMonitor& message) {
  if (!written_.ok()) return;
  written_ = WriteFrame(fd_, message);
  // The monitor is gone, or wants no more: there is no one to run for.
  if (!written_.ok()) stopping_.store(true, std::memory_order_relaxed);
}

absl::Status RowStream::Finish() {
  std::lock_guard lock(mutex_);
  Flush();
  ipc::WorkerToMonitor message;
  v1::ModuleSummary& summary = *message.mutable_summary();
  summary = summary_;
  summary.set_items_examined(items_.load());
  summary.set_bytes_examined(bytes_.load());
  for (const auto& [reason, unexamined] : unexamined_) *summary.add_unexamined() = unexamined;
  Write(message);
  return written_;
}

absl::Status RowStream::Fail(ipc::Failed::Kind kind, std::string_view detail) {
  std::lock_guard lock(mutex_);
  Flush();
  ipc::WorkerToMonitor message;
  message.mutable_failed()->set_kind(kind);
  message.mutable_failed()->set_detail(Bounded(detail, 1024));
  Write(message);
  return written_;
}

}  // namespace dragnet
