// The one thread that writes to a database: whatever was asked for while it
// committed is the next transaction. When it is idle nothing waits, and under
// load one fsync is shared by hundreds of changes.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "core/mutex.h"
#include "scheduler/store/sqlite.h"

namespace dragnet::scheduler {

// What a power cut may do to a change whose callback has run.
enum class Durability {
  // Nothing.
  kSynced,
  // Undo it, with everything after it: it costs no wait for the disk. For what
  // shows itself again, such as who was seen when.
  kSoon,
};

class Writer {
 public:
  // A change, made on the writer's thread inside a transaction. If it returns
  // an error, what it did is undone, and the others of the transaction stand.
  using Change = std::function<absl::Status(Database&)>;
  using Done = std::function<void(absl::Status)>;

  // Of what the changes keep in memory. Both run on the writer's thread.
  struct Memory {
    // Writes what waits to be written: before each commit, and before each
    // change that may have to be undone by itself.
    std::function<absl::Status(Database&)> flush = [](Database&) { return absl::OkStatus(); };
    // Something that a change has done was undone: what is known of the database
    // may be wrong.
    std::function<void()> undone = [] {};
  };

  Writer(std::unique_ptr<Database> database, Memory memory);
  // Writes what was submitted, calls all callbacks, then ends.
  ~Writer();

  // `done` runs after the commit, on a thread of its own, in the order of the
  // submissions. `bytes` are counted as pending until the commit.
  void Submit(Change change, size_t bytes, Durability durability, Done done);
  // The same for a change that has done nothing when it fails, which costs less.
  void SubmitWhole(Change change, size_t bytes, Durability durability, Done done);
  // Returns after the commit. Not from a `done`.
  absl::Status Run(Change change);

  size_t pending_bytes() const;

 private:
  struct Job {
    Change change;
    size_t bytes = 0;
    Durability durability = Durability::kSynced;
    // If it fails there is nothing to undo.
    bool whole = false;
    Done done;
    // For Run: told by the writer's thread itself, which saves a thread switch.
    std::function<void(absl::Status)> done_at_once;
    absl::Status status;
  };

  void WriteLoop();
  void CallbackLoop();
  void Commit(std::vector<Job>* batch);
  absl::Status Apply(std::vector<Job>* batch);
  absl::Status ApplyOne(Job* job);
  absl::Status SetSync(bool full);
  void Enqueue(Job job);

  const std::unique_ptr<Database> database_;
  const Memory memory_;
  // Of the writer's thread.
  bool full_sync_ = true;
  mutable WaitableMutex mutex_;
  // Guarded by mutex_.
  std::deque<Job> jobs_;
  std::deque<Job> finished_;
  size_t pending_bytes_ = 0;
  bool stopping_ = false;
  bool written_ = false;
  std::thread writing_;
  std::thread calling_;
};

}  // namespace dragnet::scheduler
