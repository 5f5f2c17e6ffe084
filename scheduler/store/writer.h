// The one thread that writes to a database: whatever was asked for while it
// committed is the next transaction. When it is idle nothing waits, and under
// load one fsync is shared by hundreds of changes.
//
// A remote database may be gone for a while: what wasn't committed is made again on
// another connection, and when no one has said whether it was committed, that is found
// out first, so that nothing is done twice. After half a minute of this the changes fail
// as Unavailable.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/mutex.h"
#include "scheduler/store/database.h"

namespace dragnet::scheduler {

// What a power cut may do to a change whose callback has run.
enum class Durability {
  // Nothing.
  kSynced,
  // Undo it, with everything after it: it costs no wait for the disk. For what
  // shows itself again, such as who was seen when.
  kSoon,
};

struct PairName {
  std::string action_id;
  std::string agent_id;
};

class Writer {
 public:
  // A change, made on the writer's thread inside a transaction. If it returns
  // an error, what it did is undone, and the others of the transaction stand. It runs
  // again when the transaction has to be made again.
  using Change = std::function<absl::Status(Database&)>;
  using Done = std::function<void(absl::Status)>;

  // Of what the changes keep in memory. All run on the writer's thread.
  struct Memory {
    // First in each transaction.
    std::function<absl::Status(Database&)> begin = [](Database&) { return absl::OkStatus(); };
    // Before the changes of a transaction: the pairs that some of them will ask for.
    std::function<absl::Status(Database&, const std::vector<PairName>&)> look_ahead = nullptr;
    // Writes what waits to be written: before each commit, and before each
    // change that may have to be undone by itself.
    std::function<absl::Status(Database&)> flush = [](Database&) { return absl::OkStatus(); };
    // Something that a change has done was undone: what is known of the database
    // may be wrong.
    std::function<void()> undone = [] {};
    // Last in each transaction.
    std::function<absl::Status(Database&)> end = [](Database&) { return absl::OkStatus(); };
    // Before a transaction is made again, outside of any: to see to what it waited for in vain.
    std::function<void(Database&, const absl::Status& why)> before_again =
        [](Database&, const absl::Status&) {};
    // Whether the last transaction that came to its `end` was committed, when the connection
    // was lost before that was told.
    std::function<absl::StatusOr<bool>(Database&)> was_committed = [](Database&) {
      return absl::StatusOr<bool>(false);
    };
  };

  Writer(std::unique_ptr<Database> database, Memory memory);
  // Writes what was submitted, calls all callbacks, then ends.
  ~Writer();

  // `done` runs after the commit, on a thread of its own, in the order of the
  // submissions. `bytes` are counted as pending until the commit.
  void Submit(Change change, size_t bytes, Durability durability, Done done);
  // The same for a change that has done nothing when it fails of its own accord,
  // which costs less. When SQLite fails it, the transaction is undone and made once
  // more with this one by itself, so it may run twice. `about`: for Memory::look_ahead.
  void SubmitWhole(Change change, size_t bytes, Durability durability, Done done,
                   std::vector<PairName> about = {});
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
    std::vector<PairName> about;
    absl::Status status;
  };

  void WriteLoop();
  void CallbackLoop();
  void Commit(std::vector<Job>* batch);
  // Gives up when the database can't be reached for long.
  absl::Status CommitInTime(std::vector<Job>* batch);
  // One attempt.
  absl::Status Try(std::vector<Job>* batch);
  // `apart`: also those that are whole may have to be undone by themselves.
  absl::Status Apply(std::vector<Job>* batch, bool apart);
  absl::Status ApplyOne(Job* job, bool apart);
  void Undo();
  void Enqueue(Job job);

  const std::unique_ptr<Database> database_;
  const Memory memory_;
  // Of the writer's thread: all was done but the commit, so that a connection that is lost
  // says nothing of whether it came to be.
  bool committing_ = false;
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
