#include "scheduler/store/upkeep.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

// When there is nothing to remove.
constexpr absl::Duration kIdle = absl::Minutes(1);
constexpr absl::Duration kAfterError = absl::Minutes(1);
// Between steps: at least that, and four times what the last step took, so that
// the writer is others' for most of the time.
constexpr absl::Duration kBetweenSteps = absl::Milliseconds(20);
constexpr int kShareOfOthers = 4;
constexpr absl::Duration kProbeHolds = absl::Seconds(5);
// Counting all pairs takes at most this part of the time.
constexpr int kCountingShare = 50;

}  // namespace

// A change that was asked for, to see whether it is committed.
// Its own, because the store may answer after an Upkeep is gone.
struct Upkeep::Probe {
  WaitableMutex mutex;
  absl::Time asked;  // steady
  // Guarded by mutex.
  std::optional<absl::Status> result;

  bool answered() {
    const WaitableMutex::Lock lock(mutex);
    return result.has_value();
  }
};

absl::StatusOr<std::unique_ptr<Upkeep>> Upkeep::Start(SqlStore& store, const Clock& clock,
                                                      const RetentionRules& rules) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Retention> retention,
                           Retention::Open(store, clock, rules));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Database> reader, store.engine().OpenReader());
  return std::unique_ptr<Upkeep>(new Upkeep(store, std::move(retention), std::move(reader)));
}

Upkeep::Upkeep(SqlStore& store, std::unique_ptr<Retention> retention,
               std::unique_ptr<Database> reader)
    : store_(store), retention_(std::move(retention)), reader_(std::move(reader)) {
  working_ = std::thread([this] { Loop(); });
  if (store_.engine().is_checked_later())
    checking_ = std::thread([this] { CheckPagesInBackground(); });
}

Upkeep::~Upkeep() {
  {
    const WaitableMutex::Lock lock(mutex_);
    stopping_ = true;
  }
  working_.join();
  if (checking_.joinable()) {
    stop_checking_ = true;
    checking_.join();
  }
}

bool Upkeep::Pause(absl::Duration duration) {
  WaitableMutex::Lock lock(mutex_);
  lock.AwaitFor(duration, [this] { return stopping_ || woken_; });
  woken_ = false;
  return !stopping_;
}

void Upkeep::Wake() {
  const WaitableMutex::Lock lock(mutex_);
  woken_ = true;
}

void Upkeep::Loop() {
  absl::Duration pause = absl::ZeroDuration();
  while (Pause(pause)) {
    pause = kIdle;
    if (!active_) continue;
    const absl::Time begun = SteadyNow();
    const absl::StatusOr<bool> more = retention_->Step();
    if (!more.ok()) {
      spdlog::error("retention: {}", ForTerminal(ToStd(more.status().message())));
      pause = kAfterError;
    } else if (*more) {
      pause = std::max(kBetweenSteps, kShareOfOthers * (SteadyNow() - begun));
    }
  }
}

void Upkeep::CheckPagesInBackground() {
  absl::Status status = store_.engine().CheckAll(stop_checking_);
  const WaitableMutex::Lock lock(mutex_);
  if (stopping_) return;
  if (absl::IsDataLoss(status)) damage_ = status;
  if (!status.ok()) return spdlog::error("{}", ForTerminal(ToStd(status.message())));
  spdlog::info("{}: all pages were checked: no damage", store_.engine().name());
}

absl::Status Upkeep::damage() {
  const WaitableMutex::Lock lock(mutex_);
  return damage_;
}

absl::Status Upkeep::CheckWritable(absl::Duration patience) {
  std::shared_ptr<Probe> probe;
  bool ask = false;
  {
    const WaitableMutex::Lock lock(mutex_);
    const absl::Time now = SteadyNow();
    // One at a time: a disk that hangs isn't asked again and again.
    ask = probe_ == nullptr || (now - probe_->asked > kProbeHolds && probe_->answered());
    if (ask) {
      probe_ = std::make_shared<Probe>();
      probe_->asked = now;
    }
    probe = probe_;
  }
  if (ask) {
    store_.Probe([probe](absl::Status status) {
      const WaitableMutex::Lock lock(probe->mutex);
      probe->result = std::move(status);
    });
  }
  WaitableMutex::Lock lock(probe->mutex);
  if (!lock.AwaitFor(patience, [&] { return probe->result.has_value(); }))
    return absl::DeadlineExceededError(
        StrCat(store_.engine().name(), ": nothing was committed for ",
               absl::FormatDuration(absl::Trunc(SteadyNow() - probe->asked, absl::Seconds(1)))));
  return *probe->result;
}

absl::StatusOr<uint64_t> Upkeep::RowsStored() {
  const WaitableMutex::Lock lock(reading_);
  const absl::Time begun = SteadyNow();
  if (begun < count_again_at_) return rows_;
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t rows,
      reader_->IntegerOr(
          0,
          "SELECT CAST(coalesce(sum(rows), 0) AS BIGINT) FROM pairs WHERE action NOT IN"
          " (SELECT action FROM retention WHERE removed_at IS NOT NULL)"));
  rows_ = static_cast<uint64_t>(rows);
  const absl::Time now = SteadyNow();
  count_again_at_ = now + kCountingShare * (now - begun);
  return rows_;
}

absl::StatusOr<StoreSizes> Upkeep::Sizes() {
  const WaitableMutex::Lock lock(reading_);
  return store_.engine().Sizes(*reader_);
}

}  // namespace dragnet::scheduler
