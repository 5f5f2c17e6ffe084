#include "scheduler/store/writer.h"

#include <algorithm>
#include <future>
#include <utility>

#include "core/clock.h"
#include "core/status_macros.h"
#include "scheduler/observe/metrics.h"

namespace dragnet::scheduler {
namespace {

// Bounds how long one transaction can get, and with it the wait for its commit.
constexpr size_t kMaxBatch = 4096;
constexpr size_t kMaxBatchBytes = 16 * 1024 * 1024;

// What may have left half of a statement behind; other errors are found before
// anything is written.
bool IsOfTheDisk(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsInternal(status) ||
         absl::IsUnavailable(status);
}

}  // namespace

Writer::Writer(std::unique_ptr<Database> database, Memory memory)
    : database_(std::move(database)), memory_(std::move(memory)) {
  writing_ = std::thread([this] { WriteLoop(); });
  calling_ = std::thread([this] { CallbackLoop(); });
}

Writer::~Writer() {
  {
    const WaitableMutex::Lock lock(mutex_);
    stopping_ = true;
  }
  writing_.join();
  calling_.join();
}

void Writer::Enqueue(Job job) {
  const WaitableMutex::Lock lock(mutex_);
  pending_bytes_ += job.bytes;
  jobs_.push_back(std::move(job));
}

void Writer::Submit(Change change, size_t bytes, Durability durability, Done done) {
  Job job;
  job.change = std::move(change);
  job.bytes = bytes;
  job.durability = durability;
  job.done = std::move(done);
  Enqueue(std::move(job));
}

void Writer::SubmitWhole(Change change, size_t bytes, Durability durability, Done done) {
  Job job;
  job.change = std::move(change);
  job.bytes = bytes;
  job.durability = durability;
  job.whole = true;
  job.done = std::move(done);
  Enqueue(std::move(job));
}

absl::Status Writer::Run(Change change) {
  std::promise<absl::Status> committed;
  Job job;
  job.change = std::move(change);
  job.done_at_once = [&](absl::Status result) { committed.set_value(std::move(result)); };
  Enqueue(std::move(job));
  return committed.get_future().get();
}

size_t Writer::pending_bytes() const {
  const WaitableMutex::Lock lock(mutex_);
  return pending_bytes_;
}

void Writer::WriteLoop() {
  while (true) {
    std::vector<Job> batch;
    {
      WaitableMutex::Lock lock(mutex_);
      lock.Await([this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) {
        written_ = true;
        return;
      }
      size_t bytes = 0;
      while (!jobs_.empty() && batch.size() < kMaxBatch && bytes < kMaxBatchBytes) {
        bytes += jobs_.front().bytes;
        batch.push_back(std::move(jobs_.front()));
        jobs_.pop_front();
      }
    }
    Commit(&batch);
    for (Job& job : batch)
      if (job.done_at_once) job.done_at_once(job.status);
    const WaitableMutex::Lock lock(mutex_);
    for (Job& job : batch) {
      pending_bytes_ -= job.bytes;
      job.change = nullptr;
      if (job.done) finished_.push_back(std::move(job));
    }
  }
}

void Writer::Commit(std::vector<Job>* batch) {
  const absl::Time begun = SteadyNow();
  absl::Status status = Apply(batch);
  TheMetrics().commits.Add();
  TheMetrics().commit_seconds.Add(absl::ToDoubleSeconds(SteadyNow() - begun));
  if (status.ok()) return;
  TheMetrics().commits_failed.Add();
  if (database_->in_transaction()) database_->Execute("ROLLBACK").IgnoreError();
  memory_.undone();
  for (Job& job : *batch) job.status = status;
}

absl::Status Writer::SetSync(bool full) {
  if (full == full_sync_) return absl::OkStatus();
  // NORMAL writes the log without waiting for the disk; the next FULL commit
  // syncs what was written before it as well.
  DRAGNET_RETURN_IF_ERROR(
      database_->Execute(full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"));
  full_sync_ = full;
  return absl::OkStatus();
}

absl::Status Writer::Apply(std::vector<Job>* batch) {
  DRAGNET_RETURN_IF_ERROR(SetSync(std::any_of(batch->begin(), batch->end(), [](const Job& job) {
    return job.durability == Durability::kSynced;
  })));
  DRAGNET_RETURN_IF_ERROR(database_->Run("BEGIN IMMEDIATE"));
  for (Job& job : *batch) DRAGNET_RETURN_IF_ERROR(ApplyOne(&job));
  DRAGNET_RETURN_IF_ERROR(memory_.flush(*database_));
  return database_->Run("COMMIT");
}

// An error is the whole transaction's.
absl::Status Writer::ApplyOne(Job* job) {
  if (!job->whole) {
    // Or what others wait to write would be undone with this one.
    DRAGNET_RETURN_IF_ERROR(memory_.flush(*database_));
    DRAGNET_RETURN_IF_ERROR(database_->Run("SAVEPOINT change"));
  }
  job->status = job->change(*database_);
  // A full disk and the like undo the whole transaction.
  if (!database_->in_transaction())
    return job->status.ok() ? absl::InternalError("the transaction ended early") : job->status;
  if (job->whole) return IsOfTheDisk(job->status) ? job->status : absl::OkStatus();
  if (!job->status.ok()) {
    DRAGNET_RETURN_IF_ERROR(database_->Run("ROLLBACK TO change"));
    memory_.undone();
  }
  return database_->Run("RELEASE change");
}

void Writer::CallbackLoop() {
  while (true) {
    std::deque<Job> finished;
    {
      WaitableMutex::Lock lock(mutex_);
      lock.Await([this] { return written_ || !finished_.empty(); });
      if (finished_.empty()) return;
      finished.swap(finished_);
    }
    for (Job& job : finished) job.done(std::move(job.status));
  }
}

}  // namespace dragnet::scheduler
