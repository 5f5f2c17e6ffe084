// The bus of several schedulers: NATS. Records and notices are streams of JetStream, which
// keeps each message on as many servers as the options say; messages between schedulers
// are plain NATS.
//
//   DRAGNET_<fleet>_RECORDS   dragnet.<fleet>.records.<partition>   bounded, discards new
//   DRAGNET_<fleet>_NOTICES   dragnet.<fleet>.notices               a day, bounded
//   dragnet.<fleet>.peer.<scheduler>, dragnet.<fleet>.peers         not kept
//
// Whoever may publish there can put anything into it: what comes in is checked, and what
// isn't what a scheduler says is skipped and counted.
//
// Thread-safe. Don't destroy it from one of its own callbacks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "scheduler/bus/bus.h"
#include "scheduler/bus/nats_connection.h"
#include "scheduler/bus/nats_options.h"
#include "scheduler/bus/partition_reader.h"
#include "scheduler/bus/record_publisher.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/observe/repeated_lines.h"

namespace dragnet::scheduler {

// For a command: makes the streams, or changes in those that are there what may be changed
// (bytes, replicas), with a user who may. `stored` is the highest position that the store
// has of any partition: a stream that was lost and is made anew goes on after it, because
// its numbers would mean stored records otherwise.
absl::Status PrepareNats(const NatsOptions& options, uint64_t stored);

class NatsBus : public Bus {
 public:
  // Of a PeerMessage, serialised. A server's usual bound is 1 MiB, with the header.
  static constexpr size_t kMaxMessageBytes = 1'000'000;

  // Unavailable if no server can be reached now; FailedPrecondition if a stream isn't as it
  // has to be.
  static absl::StatusOr<std::unique_ptr<NatsBus>> Connect(const NatsOptions& options);
  ~NatsBus() override;

  void PublishRecord(AgentRecord record, Done done) override;
  size_t pending_bytes() const override { return publisher_->pending_bytes(); }
  uint32_t partitions() const override { return options_.partitions; }
  void SetWriter(RecordWriter& writer) override;
  void ReadPartitions(std::set<uint32_t> partitions) override;
  absl::Status ForgetRecords(const std::vector<uint64_t>& positions) override;
  absl::StatusOr<Backlog> backlog() override;

  absl::Status PublishNotice(const v1::Notice& notice) override;
  absl::StatusOr<uint64_t> LastNotice() override;
  void FollowNotices(uint64_t position, NoticeHandler handler,
                     std::function<void()> missed) override;

  void Tell(std::string_view to, v1::PeerMessage message) override;
  absl::StatusOr<v1::PeerMessage> Ask(std::string_view to, v1::PeerMessage message,
                                      absl::Duration timeout) override;
  void OnMessage(MessageHandler handler) override;
  void OnReconnected(std::function<void()> handler) override;
  absl::Status state() const override { return connection_->state(); }

  struct Counters {
    Counter skipped_records;
    Counter skipped_notices;
    // From other schedulers, or from someone who isn't one.
    Counter skipped_messages;
    Counter untold_messages;
  };
  const Counters& counters() const { return counters_; }

 private:
  NatsBus(const NatsOptions& options, std::shared_ptr<NatsConnection> connection);

  // These messages of the stream of records, all of which are stored.
  absl::Status Remove(const std::vector<uint64_t>& numbers);

  void Follow(uint64_t position, const NoticeHandler& handler, const std::function<void()>& missed);
  absl::Status FollowOn(uint64_t* position, const NoticeHandler& handler,
                        const std::function<void()>& missed);
  bool Pause(absl::Duration duration);
  void Heard(NatsMessage message);

  const NatsOptions options_;
  const NatsNames names_;
  // Shared with replies that others still hold.
  const std::shared_ptr<NatsConnection> connection_;
  Counters counters_;
  RepeatedLines lines_;
  std::unique_ptr<RecordPublisher> publisher_;
  RecordWriter* writer_ = nullptr;
  std::unique_ptr<PartitionReaders> readers_;
  std::mutex forgetting_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::function<void()> on_reconnected_;
  std::thread follower_;

  // One message at a time, though there are two subscriptions.
  std::mutex hearing_;
  MessageHandler on_message_;
  std::unique_ptr<NatsSubscription> to_this_;
  std::unique_ptr<NatsSubscription> to_all_;
};

}  // namespace dragnet::scheduler
