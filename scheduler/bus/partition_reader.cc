#include "scheduler/bus/partition_reader.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <iterator>
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
// What is stored at once of a partition, as it comes; and as much lies ready for the next time.
// The writer puts the partitions' together: a longer transaction would hold up others.
constexpr StreamReader::Limits kLimits = {.messages = 4096, .bytes = 2 * Bus::kMaxRecordBytes};

// By itself. With the pauses between them, some seconds.
constexpr int kAttemptsAlone = 6;
constexpr int kAttemptsBesideOthers = 2;
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
      skipped_(skipped) {}

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
  StreamReader reader(connection_, stream, names_.RecordSubject(partition), kLimits);
  DRAGNET_RETURN_IF_ERROR(reader.Open(position));
  while (IsWanted(partition)) {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<StreamMessage> messages, reader.Next(kLook));
    if (messages.empty()) continue;
    DRAGNET_RETURN_IF_ERROR(StoreAll(partition, position, messages));
    position = messages.back().number;
  }
  return absl::OkStatus();
}

PartitionReaders::Records PartitionReaders::Parse(uint32_t partition, Messages messages,
                                                  bool first_time) {
  Records all;
  for (const StreamMessage& message : messages) {
    absl::StatusOr<Records> records = ParseRecords(DataOf(message.message), partition, partitions_);
    if (records.ok()) {
      std::move(records->begin(), records->end(), std::back_inserter(all));
      continue;
    }
    if (!first_time) continue;
    skipped_.Add();
    if (const auto said = lines_.Ask(StrCat("skip ", partition), SteadyNow())) {
      spdlog::warn("bus: message {} of partition {} is skipped: {}{}", message.number, partition,
                   ToStd(records.status().message()), RepeatedLines::Words(*said));
    }
  }
  return all;
}

absl::Status PartitionReaders::StoreAll(uint32_t partition, uint64_t after, Messages messages) {
  bool first_time = true;
  const auto store = [&](Messages some) {
    return Store(
        {.partition = partition, .after = after, .last = some.back().number},
        [&] { return Parse(partition, some, std::exchange(first_time, false)); },
        /*attempts=*/1);
  };
  absl::Status status = store(messages);
  if (!MayBeOfOneRecord(status)) return status;
  // One of them can't be stored, and the others needn't wait for it.
  for (const StreamMessage& message : messages) {
    absl::Status alone = store(Messages(&message, 1));
    if (MayBeOfOneRecord(alone)) {
      alone = StoreOneByOne(partition, after, message.number,
                            Parse(partition, Messages(&message, 1), /*first_time=*/false));
    }
    DRAGNET_RETURN_IF_ERROR(alone);
    after = message.number;
  }
  return absl::OkStatus();
}

absl::Status PartitionReaders::StoreOneByOne(uint32_t partition, uint64_t after, uint64_t number,
                                             const Records& records) {
  std::vector<std::pair<const AgentRecord*, absl::Status>> dropped;
  bool any_stored = false;
  for (const AgentRecord& record : records) {
    // Where the store takes others, the fault is the record's.
    const int attempts = any_stored && !dropped.empty() ? kAttemptsBesideOthers : kAttemptsAlone;
    // The message is still to be read until all of its records were.
    absl::Status status = Store(
        {.partition = partition, .after = after, .last = after}, [&] { return Records(1, record); },
        attempts);
    if (status.ok()) {
      any_stored = true;
    } else if (MayBeOfOneRecord(status)) {
      dropped.emplace_back(&record, std::move(status));
    } else {
      return status;
    }
  }
  // That something is dropped is stored like a record: a store that takes nothing loses nothing.
  DRAGNET_RETURN_IF_ERROR(Store(
      {.partition = partition, .after = after, .last = number}, [] { return Records(); },
      kAttemptsAlone));
  for (const auto& [record, why] : dropped) {
    TheMetrics().records_dropped.Add();
    const v1::ResultRecord& content = record->record;
    spdlog::error(
        "bus: a record of message {} of partition {} is dropped, because the store failed it again "
        "and again by itself: agent {}, action {}, operation {}, sequence {}: {}",
        number, partition, record->agent_id,
        Shorten(ForTerminal(content.action_id()), kMaxLoggedText), content.operation(),
        content.sequence(), ToStd(why.message()));
  }
  return absl::OkStatus();
}

absl::Status PartitionReaders::Store(const BusRange& range, const std::function<Records()>& records,
                                     int attempts) {
  absl::Duration backoff = kMinBackoff;
  for (int failures = 0;;) {
    if (!IsWanted(range.partition)) {
      return absl::CancelledError("another scheduler is to read it");
    }
    const absl::Status status = Write({.range = range, .records = records()});
    if (status.ok() || absl::IsAborted(status)) return status;
    if (MayBeOfOneRecord(status) && ++failures == attempts) return status;
    if (const auto said = lines_.Ask(StrCat("store ", range.partition), SteadyNow())) {
      spdlog::warn("bus: partition {} can't be stored, and is tried again: {}{}", range.partition,
                   ToStd(status.message()), RepeatedLines::Words(*said));
    }
    Pause(range.partition, backoff);
    backoff = Longer(backoff);
  }
}

absl::Status PartitionReaders::Write(RecordBatch batch) {
  auto done = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> written = done->get_future();
  writer_.Write(std::move(batch),
                [done](absl::Status status) { done->set_value(std::move(status)); });
  return written.get();
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
