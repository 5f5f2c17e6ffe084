// Publishes records to JetStream: of each partition one message at a time, with all that has
// come of it while the one before was under way. So many records share what a message costs
// (its way through the logs of three servers, and its removal), none waits when there is
// nothing to wait for, and a partition's records stay in order whatever happens. JetStream
// refuses a message when it is full or has no leader, and takes the next one if it has room or
// a leader by then; so with two under way the second could be stored and the first not. With
// one, it can be sent again when its answer is late, without overtaking anything. The store
// keeps one of two.
//
// Messages have no Nats-Msg-Id. With one, each server (2.9.10) decides by its own memory whether
// it has seen a message when it applies it, and after a leader died in the middle of sending
// these memories differ: one replica stores what others drop, from then on its numbers are
// ahead of theirs, and who reads on at another server leaves out what was never read. (About
// the same memory: nats-server pull requests 6415 and 6486.)
//
// Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/bus/bus.h"
#include "scheduler/bus/nats_connection.h"
#include "scheduler/bus/nats_options.h"

namespace dragnet::scheduler {

class RecordPublisher {
 public:
  // `connection` outlives it.
  static absl::StatusOr<std::unique_ptr<RecordPublisher>> Create(NatsConnection& connection,
                                                                 const NatsOptions& options);
  // Those that wait, and those that are published from their `done`, fail: Unavailable.
  ~RecordPublisher();

  // `done` is called once, from another thread than this one's. With an error it is for this
  // record and for all of its agent that were published after it and before it was told.
  void Publish(AgentRecord record, Bus::Done done);
  size_t pending_bytes() const { return pending_bytes_; }

  // What was sent and not answered went with the connection: it is sent again at once.
  void SendAgain();

 private:
  struct Record {
    // A message by itself; none any more when it is under way.
    std::string bytes;
    size_t size = 0;
    Bus::Done done;
  };
  struct Partition {
    std::string subject;
    // The first `sent` of them are in the message that is under way; 0: none is.
    std::deque<Record> records;
    size_t sent = 0;
    // That message. Of sender_, which needs no lock for it.
    std::string message;
    uint64_t token = 0;
    absl::Time deadline;
    // When to send it again, if no answer came; and how long to wait for one then.
    absl::Time send_again;
    absl::Duration patience;
    absl::Status last_error;
    // Its records are failing this moment: whatever comes meanwhile fails, too.
    bool failing = false;
  };
  // Not taken at all; sender_ says so. Until it has, nothing more of this agent is taken
  // either: it would get in before them.
  struct Refused {
    std::string agent_id;
    Bus::Done done;
    absl::Status status;
  };
  // A message to be sent now, or given up.
  struct Sending {
    Partition* partition = nullptr;
    uint64_t token = 0;
    // Of a new one, what it is made of.
    std::vector<std::string> parts;
  };

  RecordPublisher(NatsConnection& connection, const NatsOptions& options);

  void Run();
  // These with mutex_ held. OK: it can be taken.
  absl::Status MayTake(const Partition& partition, const std::string& agent_id, size_t bytes) const;
  // What waits of it becomes its next message, of what is returned.
  std::vector<std::string> Pack(Partition& partition, absl::Time now);
  void Wake();
  // It was not stored this time.
  void Retry(Partition& partition, const absl::Status& error);

  absl::Status Send(Sending& sending);
  void Answered(NatsMessage message);
  // All that wait of this partition, if `token` is under way there. OK: it took too long.
  void Fail(Partition& partition, uint64_t token, const absl::Status& status);
  void Finish(std::deque<Record> records, const absl::Status& status);

  NatsConnection& connection_;
  const NatsOptions options_;
  const std::string stream_;
  const std::string inbox_;

  std::atomic<size_t> pending_bytes_ = 0;
  std::atomic<size_t> pending_records_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  // As many as there are, always.
  std::vector<Partition> partitions_;
  // Its remainder by the number of partitions is the partition's.
  uint64_t last_token_ = 0;
  std::vector<Refused> refused_;
  std::unordered_map<std::string, size_t> refused_of_;
  // There is something to do for sender_.
  bool awake_ = false;
  bool stopping_ = false;

  std::unique_ptr<NatsSubscription> answers_;
  std::thread sender_;
};

}  // namespace dragnet::scheduler
