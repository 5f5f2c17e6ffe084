// How the schedulers of one fleet reach each other, and how records get from the
// scheduler that an agent is connected to into the store. In one process for a single
// scheduler; NATS JetStream between several. bus_conformance.h holds every
// implementation to what is written here.
//
// Thread-safe. Callbacks run on threads of the bus; they may block where it says so.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/store/agent_record.h"

namespace dragnet::scheduler {

struct RecordBatch {
  // Unset: straight from a gateway of this process.
  std::optional<BusRange> range;
  std::vector<AgentRecord> records;
};

// Who stores what comes. Both may block.
class RecordWriter {
 public:
  using Done = std::function<void(absl::Status)>;

  virtual ~RecordWriter() = default;
  // Up to where a partition was stored; in the same transaction as its records.
  virtual absl::StatusOr<uint64_t> PositionOf(uint32_t partition) = 0;
  // OK: all are stored, or dropped by name. A range may end where it begins: its message is
  // not stored whole yet. Aborted: the partition is not where the batch says, because
  // another scheduler reads it; nothing was stored. Another error:
  // nothing was stored, it is tried again. Errors that may be of one record
  // (InvalidArgument, OutOfRange, AlreadyExists, NotFound, Internal): its records come
  // one by one, and one that fails several times by itself is dropped, counted and named in
  // the log, by a batch without records; so it doesn't hold up its partition.
  virtual void Write(RecordBatch batch, Done done) = 0;
};

class Bus {
 public:
  using Done = std::function<void(absl::Status)>;

  // What a record takes at most, with what is around it; and records that travel together.
  static constexpr size_t kMaxRecordBytes = 640 * 1024;

  virtual ~Bus() = default;

  // ---- records
  // Doesn't block. `done` with OK: it survives the death of any process and of any one
  // machine, and the record will be given to a writer until one has stored it; what
  // came before of the same agent, before it. It may be given to the writer again, also
  // after what came next: the store keeps one.
  // ResourceExhausted: the bus has no room left; Unavailable: it can't be reached. After
  // both, it may have been stored.
  virtual void PublishRecord(AgentRecord record, Done done) = 0;
  // Bytes that wait for their `done`.
  virtual size_t pending_bytes() const = 0;
  // Parts whose records may be read by different schedulers; 0 where records are handed
  // to this process's writer at once.
  virtual uint32_t partitions() const = 0;
  // `writer` outlives the bus. Before anything is published or read.
  virtual void SetWriter(RecordWriter& writer) = 0;
  // From now on this process reads these and no others. A partition's batches are
  // given to the writer one after the other, from PositionOf it on; after an error,
  // again. Returns at once.
  virtual void ReadPartitions(std::set<uint32_t> partitions) = 0;
  // Those up to here of every partition are stored: `positions` by partition. Room is
  // made.
  virtual absl::Status ForgetRecords(const std::vector<uint64_t>& positions) = 0;
  // What waits on the bus, in messages of one or many records, and in bytes: how far the
  // writers lag.
  struct Backlog {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    uint64_t max_bytes = 0;
  };
  virtual absl::StatusOr<Backlog> backlog() = 0;

  // ---- notices: durable, in order
  // Blocks until it is stored, perhaps more than once.
  virtual absl::Status PublishNotice(const v1::Notice& notice) = 0;
  // The newest there is, as a position.
  virtual absl::StatusOr<uint64_t> LastNotice() = 0;
  // All after `position`, one after the other, from one thread. `handler` may block; an
  // error is tried again after a moment. `missed`: some were removed before they
  // were read (a day; docs/scaling.md), so that all state has to be read anew. Once.
  using NoticeHandler = std::function<absl::Status(const v1::Notice&)>;
  virtual void FollowNotices(uint64_t position, NoticeHandler handler,
                             std::function<void()> missed) = 0;

  // ---- messages: may be lost
  // To the scheduler `to`; to all but this one if it is empty. Doesn't block.
  virtual void Tell(std::string_view to, v1::PeerMessage message) = 0;
  // Blocks. Unavailable: no one answers in time, or no one of this name is there.
  virtual absl::StatusOr<v1::PeerMessage> Ask(std::string_view to, v1::PeerMessage message,
                                              absl::Duration timeout) = 0;
  // What comes; `reply` for those that were asked (null for those that were told),
  // which may be called later, from any thread. Once, before anything is told.
  using Reply = std::function<void(v1::PeerMessage)>;
  using MessageHandler = std::function<void(v1::PeerMessage, Reply reply)>;
  virtual void OnMessage(MessageHandler handler) = 0;
  // Called whenever the bus can be reached again after it couldn't: messages were lost.
  virtual void OnReconnected(std::function<void()> handler) = 0;

  // Why it can't be reached; OK if it can.
  virtual absl::Status state() const = 0;
};

}  // namespace dragnet::scheduler
