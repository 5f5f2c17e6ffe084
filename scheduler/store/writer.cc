#include "scheduler/store/writer.h"

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/observe/metrics.h"

namespace dragnet::scheduler {
namespace {

// Bounds how long one transaction can get, and with it the wait for its commit.
constexpr size_t kMaxBatch = 4096;
constexpr size_t kMaxBatchBytes = 16 * 1024 * 1024;

// For a database that can't be reached, and when the program ends meanwhile.
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kPatienceAtTheEnd = absl::Seconds(3);
constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

// What undoes everything: there is no use in trying the others by themselves.
bool IsOfTheDisk(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status);
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

void Writer::SubmitWhole(Change change, size_t bytes, Durability durability, Done done,
                         std::vector<PairName> about) {
  Job job;
  job.change = std::move(change);
  job.bytes = bytes;
  job.durability = durability;
  job.whole = true;
  job.about = std::move(about);
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

absl::Status Writer::Try(std::vector<Job>* batch) {
  committing_ = false;
  absl::Status status = Apply(batch, /*apart=*/false);
  // A damaged page, say, that one of them has to do with: it fails by itself, and
  // not all others with it. It may have left half of what it does behind, so all
  // are undone first.
  if (Database::IsError(status) && !IsOfTheDisk(status)) {
    Undo();
    committing_ = false;
    status = Apply(batch, /*apart=*/true);
  }
  return status;
}

absl::Status Writer::CommitInTime(std::vector<Job>* batch) {
  const absl::Time begun = SteadyNow();
  const auto patience = [&] {
    const WaitableMutex::Lock lock(mutex_);
    return stopping_ ? kPatienceAtTheEnd : kPatience;
  };
  absl::Status status = Try(batch);
  absl::Duration pause = kFirstPause;
  while (Database::IsLost(status) && SteadyNow() - begun < patience()) {
    Undo();
    memory_.before_again(*database_, status);
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(pause));
    pause = std::min(2 * pause, kLongestPause);
    if (committing_) {
      const absl::StatusOr<bool> committed = memory_.was_committed(*database_);
      // The jobs have what they were told when they ran.
      if (committed.ok() && *committed) return absl::OkStatus();
      if (!committed.ok()) {
        status =
            Database::IsLost(committed.status())
                ? committed.status()
                : Database::Error(committed.status().code(), ToStd(committed.status().message()),
                                  Database::Failure::kLost);
        continue;
      }
    }
    status = Try(batch);
  }
  if (Database::IsLost(status) && committing_)
    return Annotate(status, "whether this was stored could not be found out");
  return status;
}

void Writer::Commit(std::vector<Job>* batch) {
  const absl::Time begun = SteadyNow();
  const absl::Status status = CommitInTime(batch);
  TheMetrics().commits.Add();
  TheMetrics().commit_seconds.Add(absl::ToDoubleSeconds(SteadyNow() - begun));
  if (status.ok()) return;
  TheMetrics().commits_failed.Add();
  Undo();
  for (Job& job : *batch) job.status = status;
}

void Writer::Undo() {
  database_->Rollback();
  memory_.undone();
}

absl::Status Writer::Apply(std::vector<Job>* batch, bool apart) {
  const bool synced = std::any_of(batch->begin(), batch->end(), [](const Job& job) {
    return job.durability == Durability::kSynced;
  });
  DRAGNET_RETURN_IF_ERROR(database_->Begin(synced));
  DRAGNET_RETURN_IF_ERROR(memory_.begin(*database_));
  if (memory_.look_ahead != nullptr && !apart) {
    std::vector<PairName> pairs;
    for (const Job& job : *batch) pairs.insert(pairs.end(), job.about.begin(), job.about.end());
    if (!pairs.empty()) DRAGNET_RETURN_IF_ERROR(memory_.look_ahead(*database_, pairs));
  }
  for (Job& job : *batch) DRAGNET_RETURN_IF_ERROR(ApplyOne(&job, apart));
  DRAGNET_RETURN_IF_ERROR(memory_.flush(*database_));
  DRAGNET_RETURN_IF_ERROR(memory_.end(*database_));
  committing_ = true;
  return database_->Commit();
}

// An error is the whole transaction's.
absl::Status Writer::ApplyOne(Job* job, bool apart) {
  const bool whole = job->whole && !apart;
  if (!whole) {
    // Or what others wait to write would be undone with this one.
    DRAGNET_RETURN_IF_ERROR(memory_.flush(*database_));
    DRAGNET_RETURN_IF_ERROR(database_->Save());
  }
  job->status = job->change(*database_);
  // What it left to be written may be what fails.
  if (job->whole && apart && job->status.ok()) job->status = memory_.flush(*database_);
  // Or what it does might fail later, and be taken for another's failure.
  if (!whole && job->status.ok()) job->status = database_->Settle();
  // A full disk and the like undo the whole transaction.
  if (!database_->in_transaction())
    return job->status.ok() ? absl::InternalError("the transaction ended early") : job->status;
  // To be made again, as all of the transaction.
  if (Database::IsLost(job->status)) return job->status;
  if (whole) return Database::IsError(job->status) ? job->status : absl::OkStatus();
  if (!job->status.ok()) {
    DRAGNET_RETURN_IF_ERROR(database_->RollBackToSaved());
    memory_.undone();
  }
  return database_->ForgetSaved();
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
