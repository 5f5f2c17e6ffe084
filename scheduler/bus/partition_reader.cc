#include "scheduler/bus/partition_reader.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "scheduler/bus/jetstream.h"
#include "scheduler/bus/record_message.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(250);
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
// Over all partitions, of what was read and isn't stored.
constexpr int64_t kMaxBytes = 64 << 20;
constexpr int64_t kMaxBatchBytes = 8 << 20;
constexpr int kMaxBatchMessages = 4096;

// By itself. With the pauses between them, some seconds.
constexpr int kAttemptsAlone = 6;
constexpr size_t kMaxLoggedText = 300;

// Whether an error may be of one record, and not of the store: what is refused by a
// constraint, has a value that a column can't hold, or is too large for an index. Not a
// store that can't be reached, is full, is damaged, or has other tables or rights.
bool MayBeOfOneRecord(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kInternal:
      return true;
    default:
      return false;
  }
}

absl::Duration Longer(absl::Duration backoff) { return std::min(2 * backoff, kMaxBackoff); }

}  // namespace

PartitionReaders::PartitionReaders(NatsConnection& connection, const NatsOptions& options,
                                   RecordWriter& writer, Counter& skipped)
    : connection_(connection),
      partitions_(options.partitions),
      names_(options.fleet_id),
      writer_(writer),
      skipped_(skipped),
      limits_{.messages = kMaxBatchMessages,
              .bytes = std::clamp<int64_t>(kMaxBytes / options.partitions,
                                           2 * static_cast<int64_t>(Bus::kMaxRecordBytes),
                                           kMaxBatchBytes)} {}

PartitionReaders::~PartitionReaders() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wanted_.clear();
  }
  changed_.notify_all();
  for (auto& [partition, thread] : threads_) thread.join();
}

void PartitionReaders::Read(const std::set<uint32_t>& partitions) {
  {
    std::lock_guard lock(mutex_);
    wanted_.clear();
    for (const uint32_t partition : partitions) {
      if (partition >= partitions_) continue;
      wanted_.insert(partition);
      std::thread& thread = threads_[partition];
      if (!thread.joinable()) thread = std::thread([this, partition] { Run(partition); });
    }
  }
  changed_.notify_all();
}

void PartitionReaders::Run(uint32_t partition) {
  absl::Duration backoff = kMinBackoff;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || wanted_.contains(partition); });
      if (stopping_) return;
    }
    const absl::Time begin = SteadyNow();
    const absl::Status status = ReadOn(partition);
    if (!IsWanted(partition)) continue;
    if (SteadyNow() - begin > kMaxBackoff) backoff = kMinBackoff;
    if (const auto said = lines_.Ask(StrCat("read ", partition), SteadyNow())) {
      spdlog::warn("bus: partition {} is read anew: {}{}", partition, ToStd(status.message()),
                   RepeatedLines::Words(*said));
    }
    Pause(partition, backoff);
    backoff = Longer(backoff);
  }
}

absl::Status PartitionReaders::ReadOn(uint32_t partition) {
  DRAGNET_ASSIGN_OR_RETURN(uint64_t position, writer_.PositionOf(partition));
  const std::string stream = names_.RecordStream();
  DRAGNET_ASSIGN_OR_RETURN(const NatsStreamInfo info, StreamInfo(connection_, stream));
  if (info->State.LastSeq < position) {
    // Its numbers begin at 1 again, and records would be taken for stored ones.
    return absl::FailedPreconditionError(
        StrCat("stream ", stream, " ends at ", info->State.LastSeq, ", but partition ", partition,
               " is stored up to ", position,
               ": the stream was made anew, or a server with an old one has come back; see "
               "PrepareNats"));
  }
  StreamReader reader(connection_, stream, names_.RecordSubject(partition), limits_);
  DRAGNET_RETURN_IF_ERROR(reader.Open(position));
  while (IsWanted(partition)) {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<StreamMessage> messages, reader.Next(kLook));
    if (messages.empty()) continue;
    DRAGNET_RETURN_IF_ERROR(StoreAll(partition, position, messages));
    position = messages.back().number;
  }
  return absl::OkStatus();
}

absl::Status PartitionReaders::StoreAll(uint32_t partition, uint64_t after,
                                        const Messages& messages) {
  const absl::Status status = Store(partition, after, messages, messages.size() == 1);
  if (!MayBeOfOneRecord(status)) return status;
  // One of them can't be stored, and the others needn't wait for it.
  for (const StreamMessage& message : messages) {
    const Messages one(&message, 1);
    absl::Status stored = Store(partition, after, one, /*alone=*/true);
    if (MayBeOfOneRecord(stored)) stored = Drop(partition, after, message, stored);
    DRAGNET_RETURN_IF_ERROR(stored);
    after = message.number;
  }
  return absl::OkStatus();
}

// That it is dropped is stored like a record: a store that takes nothing loses nothing.
absl::Status PartitionReaders::Drop(uint32_t partition, uint64_t after,
                                    const StreamMessage& message, const absl::Status& why) {
  const absl::StatusOr<AgentRecord> record =
      ParseRecord(DataOf(message.message), partition, partitions_);
  DRAGNET_RETURN_IF_ERROR(
      Write({.range = BusRange{.partition = partition, .after = after, .last = message.number},
             .records = {}}));
  TheMetrics().records_dropped.Add();
  const v1::ResultRecord& content = record.ok() ? record->record : v1::ResultRecord();
  spdlog::error(
      "bus: message {} of partition {} is dropped, because the store failed it {} times by itself: "
      "agent {}, action {}, operation {}, sequence {}: {}",
      message.number, partition, kAttemptsAlone, record.ok() ? record->agent_id : "",
      Shorten(ForTerminal(content.action_id()), kMaxLoggedText), content.operation(),
      content.sequence(), ToStd(why.message()));
  return absl::OkStatus();
}

absl::Status PartitionReaders::Write(RecordBatch batch) {
  auto done = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> written = done->get_future();
  writer_.Write(std::move(batch),
                [done](absl::Status status) { done->set_value(std::move(status)); });
  return written.get();
}

absl::Status PartitionReaders::Store(uint32_t partition, uint64_t after, Messages messages,
                                     bool alone) {
  absl::Duration backoff = kMinBackoff;
  int failures = 0;
  for (bool first_time = true;; first_time = false) {
    // The writer takes it away, so a second attempt needs another one.
    const absl::Status status = Write(Parse(partition, after, messages, first_time));
    if (status.ok() || absl::IsAborted(status)) return status;
    if (MayBeOfOneRecord(status) && ++failures == (alone ? kAttemptsAlone : 1)) return status;
    if (const auto said = lines_.Ask(StrCat("store ", partition), SteadyNow())) {
      spdlog::warn("bus: partition {} can't be stored, and is tried again: {}{}", partition,
                   ToStd(status.message()), RepeatedLines::Words(*said));
    }
    Pause(partition, backoff);
    if (!IsWanted(partition)) return status;
    backoff = Longer(backoff);
  }
}

RecordBatch PartitionReaders::Parse(uint32_t partition, uint64_t after, Messages messages,
                                    bool first_time) {
  RecordBatch batch;
  batch.range = {.partition = partition, .after = after, .last = messages.back().number};
  batch.records.reserve(messages.size());
  for (const StreamMessage& message : messages) {
    absl::StatusOr<AgentRecord> record =
        ParseRecord(DataOf(message.message), partition, partitions_);
    if (record.ok()) {
      batch.records.push_back(*std::move(record));
      continue;
    }
    if (!first_time) continue;
    skipped_.Add();
    if (const auto said = lines_.Ask(StrCat("skip ", partition), SteadyNow())) {
      spdlog::warn("bus: message {} of partition {} is skipped: {}{}", message.number, partition,
                   ToStd(record.status().message()), RepeatedLines::Words(*said));
    }
  }
  return batch;
}

bool PartitionReaders::IsWanted(uint32_t partition) {
  std::lock_guard lock(mutex_);
  return wanted_.contains(partition);
}

void PartitionReaders::Pause(uint32_t partition, absl::Duration duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoMilliseconds(duration),
                    [&] { return !wanted_.contains(partition); });
}

}  // namespace dragnet::scheduler
