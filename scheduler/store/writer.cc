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

}  // namespace

Writer::Writer(std::unique_ptr<Database> database, std::function<void()> on_undone)
    : database_(std::move(database)), on_undone_(std::move(on_undone)) {
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
      while (!jobs_.empty() && batch.size() < kMaxBatch) {
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
  on_undone_();
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
  for (Job& job : *batch) {
    DRAGNET_RETURN_IF_ERROR(database_->Run("SAVEPOINT change"));
    job.status = job.change(*database_);
    // A full disk and the like undo the whole transaction.
    if (!database_->in_transaction())
      return job.status.ok() ? absl::InternalError("the transaction ended early") : job.status;
    if (!job.status.ok()) {
      DRAGNET_RETURN_IF_ERROR(database_->Run("ROLLBACK TO change"));
      on_undone_();
    }
    DRAGNET_RETURN_IF_ERROR(database_->Run("RELEASE change"));
  }
  return database_->Run("COMMIT");
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
