// Publishes records to JetStream, many at once, and never two of one agent: the next one
// of an agent is sent once the one before is stored. That is what keeps an agent's records
// in order whatever happens. JetStream refuses a message when it is full or has no leader,
// and takes the next one if it has room or a leader by then; so with two under way the
// second could be stored and the first not. And it is what lets a record be sent again
// when its answer is late, without overtaking anything. The store keeps one of two.
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
#include <string_view>
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
  // Those that wait fail: Unavailable.
  ~RecordPublisher();

  // `done` is called once, from another thread than this one's. With an error it is for
  // this record and, in order, for all of the same agent that were published after it.
  void Publish(const AgentRecord& record, Bus::Done done);
  size_t pending_bytes() const { return pending_bytes_; }

  // What was sent and not answered went with the connection: it is sent again at once.
  void SendAgain();

 private:
  struct Record {
    std::string subject;
    std::string bytes;
    Bus::Done done;
  };
  struct Agent {
    // The first one is under way.
    std::deque<std::shared_ptr<Record>> records;
    // Of the first one.
    uint64_t token = 0;
    bool was_sent = false;
    absl::Time deadline;
    // When to send it again, if no answer came.
    absl::Time send_again;
    absl::Status last_error;
    // Waits for its turn in ready_.
    bool is_ready = false;
    // Its records are failing this moment: whatever comes meanwhile fails, too.
    bool failing = false;
  };

  RecordPublisher(NatsConnection& connection, const NatsOptions& options);

  void Run();
  // With mutex_ held. OK: it can be taken.
  absl::Status MayTake(const std::string& agent_id, size_t bytes);
  void Queue(const std::string& agent_id, Agent& agent);

  void Answered(NatsMessage message);
  // All that waits of this agent, the first of which has `token`. OK: it took too long.
  void Fail(const std::string& agent_id, uint64_t token, const absl::Status& status);
  void Forget(const Record& record);

  NatsConnection& connection_;
  const NatsOptions options_;
  const NatsNames names_;
  const std::string stream_;
  const std::string inbox_;

  std::atomic<size_t> pending_bytes_ = 0;
  std::atomic<size_t> pending_records_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::string, Agent> agents_;
  // Those that were sent and not answered, by token.
  std::unordered_map<uint64_t, std::string> under_way_;
  size_t bytes_under_way_ = 0;
  uint64_t last_token_ = 0;
  std::deque<std::string> ready_;
  // Not taken at all; sender_ says so. Until it has, nothing more of their agents is taken
  // either: it would get in before them.
  struct Refused {
    std::string agent_id;
    Bus::Done done;
    absl::Status status;
  };
  std::vector<Refused> refused_;
  std::unordered_map<std::string, size_t> refused_of_;
  bool stopping_ = false;

  std::unique_ptr<NatsSubscription> answers_;
  std::thread sender_;
};

}  // namespace dragnet::scheduler
