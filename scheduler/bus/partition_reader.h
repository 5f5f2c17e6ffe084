// Reads partitions of the stream of records and hands them to the writer. Of each
// partition that this process reads, a thread goes from the writer's own position on, one
// batch after the other: so it doesn't matter what was read before by whom.
//
// Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "scheduler/bus/bus.h"
#include "scheduler/bus/nats_connection.h"
#include "scheduler/bus/nats_options.h"
#include "scheduler/bus/stream_reader.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/observe/repeated_lines.h"

namespace dragnet::scheduler {

class PartitionReaders {
 public:
  // `connection` and `writer` outlive it. `skipped` counts messages that are no records.
  PartitionReaders(NatsConnection& connection, const NatsOptions& options, RecordWriter& writer,
                   Counter& skipped);
  // Waits for the writer, if it has a batch.
  ~PartitionReaders();

  void Read(const std::set<uint32_t>& partitions);

 private:
  void Run(uint32_t partition);
  // Until something is wrong, or another reads it.
  absl::Status ReadOn(uint32_t partition);
  using Messages = std::span<const StreamMessage>;
  using Records = std::vector<AgentRecord>;
  // What messages hold; those that hold none are skipped, and said to be the first time.
  Records Parse(uint32_t partition, Messages messages, bool first_time);
  // OK: all are stored, or dropped. Aborted: not where it was read from.
  absl::Status StoreAll(uint32_t partition, uint64_t after, Messages messages);
  // Records of one message, which can't be stored together, by themselves.
  absl::Status StoreOneByOne(uint32_t partition, uint64_t after, uint64_t number,
                             const Records& records);
  // Until it is stored, or an error may be of one of them and was so `attempts` times.
  // `records`: as often as they are asked for, because the writer takes them away. Cancelled:
  // the partition is not wanted any more.
  absl::Status Store(const BusRange& range, const std::function<Records()>& records, int attempts);
  absl::Status Write(RecordBatch batch);
  bool IsWanted(uint32_t partition);
  // Less, if it is not wanted any more.
  void Pause(uint32_t partition, absl::Duration duration);

  NatsConnection& connection_;
  const uint32_t partitions_;
  const NatsNames names_;
  RecordWriter& writer_;
  Counter& skipped_;
  RepeatedLines lines_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<uint32_t> wanted_;
  bool stopping_ = false;
  // Started when a partition is read first.
  std::map<uint32_t, std::thread> threads_;
};

}  // namespace dragnet::scheduler
