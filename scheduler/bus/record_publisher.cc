#include "scheduler/bus/record_publisher.h"

#include <charconv>
#include <chrono>
#include <utility>

#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/bus/jetstream.h"
#include "scheduler/bus/record_message.h"

namespace dragnet::scheduler {
namespace {

// Of a message with several records. Enough to make little of what a message costs; JetStream
// holds all that is under way in memory, and a slow answer is sent again as a whole.
constexpr size_t kMaxBytesTogether = 256 * 1024;
static_assert(kMaxBytesTogether <= Bus::kMaxRecordBytes);
constexpr auto kTick = std::chrono::milliseconds(100);
// An answer that isn't there after so long was probably lost with a server. Twice as long the
// next time: a bus that is only slow is not to get everything several times.
constexpr absl::Duration kAnswerPatience = absl::Seconds(3);
// While a leader is elected, and while there is no connection.
constexpr absl::Duration kRetryWait = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<std::unique_ptr<RecordPublisher>> RecordPublisher::Create(
    NatsConnection& connection, const NatsOptions& options) {
  std::unique_ptr<RecordPublisher> publisher(new RecordPublisher(connection, options));
  RecordPublisher* self = publisher.get();
  DRAGNET_ASSIGN_OR_RETURN(self->answers_,
                           connection.Subscribe(self->inbox_ + ".*", [self](NatsMessage message) {
                             self->Answered(std::move(message));
                           }));
  self->sender_ = std::thread([self] { self->Run(); });
  return publisher;
}

RecordPublisher::RecordPublisher(NatsConnection& connection, const NatsOptions& options)
    : connection_(connection),
      options_(options),
      stream_(NatsNames(options.fleet_id).RecordStream()),
      inbox_(connection.NewInbox()),
      partitions_(options.partitions) {
  for (uint32_t i = 0; i < options.partitions; ++i)
    partitions_[i].subject = NatsNames(options.fleet_id).RecordSubject(i);
}

RecordPublisher::~RecordPublisher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (sender_.joinable()) sender_.join();
  answers_.reset();
  // No thread of this one's is left.
  for (Partition& partition : partitions_) {
    Finish(std::exchange(partition.records, {}),
           absl::UnavailableError("this scheduler leaves the bus"));
  }
  while (!refused_.empty()) {
    for (const Refused& refused : std::exchange(refused_, {})) refused.done(refused.status);
  }
}

void RecordPublisher::Publish(AgentRecord record, Bus::Done done) {
  std::string agent_id = record.agent_id;
  Partition& partition = partitions_[PartitionOf(agent_id, options_.partitions)];
  std::string bytes = SerializeRecord(std::move(record));
  const size_t size = bytes.size();
  std::lock_guard lock(mutex_);
  if (absl::Status status = MayTake(partition, agent_id, size); !status.ok()) {
    ++refused_of_[agent_id];
    refused_.push_back({std::move(agent_id), std::move(done), std::move(status)});
    Wake();
    return;
  }
  pending_bytes_ += size;
  ++pending_records_;
  partition.records.push_back({std::move(bytes), size, std::move(done)});
  // Else it goes with the next message, after the answer.
  if (partition.sent == 0) Wake();
}

absl::Status RecordPublisher::MayTake(const Partition& partition, const std::string& agent_id,
                                      size_t bytes) const {
  if (stopping_) return absl::UnavailableError("this scheduler leaves the bus");
  if (bytes > Bus::kMaxRecordBytes) {
    return absl::InvalidArgumentError(StrCat("a record of ", bytes, " bytes is too large"));
  }
  if (partition.failing) return partition.last_error;
  if (pending_records_ >= options_.max_pending_records ||
      pending_bytes_ + bytes > options_.max_pending_bytes || refused_of_.contains(agent_id)) {
    return absl::ResourceExhaustedError(
        "too many records wait for the bus already in this scheduler");
  }
  return absl::OkStatus();
}

void RecordPublisher::SendAgain() {
  std::lock_guard lock(mutex_);
  for (Partition& partition : partitions_) {
    partition.send_again = absl::InfinitePast();
    partition.patience = kAnswerPatience;
  }
  Wake();
}

void RecordPublisher::Wake() {
  awake_ = true;
  changed_.notify_one();
}

std::vector<std::string> RecordPublisher::Pack(Partition& partition, absl::Time now) {
  std::vector<std::string> parts;
  size_t bytes = 0;
  for (Record& record : partition.records) {
    const bool fits =
        parts.size() < kMaxRecordsTogether && bytes + record.size <= kMaxBytesTogether;
    if (!parts.empty() && !fits) break;
    bytes += record.size;
    parts.push_back(std::move(record.bytes));
  }
  partition.sent = parts.size();
  last_token_ += partitions_.size();
  partition.token = last_token_ + static_cast<size_t>(&partition - partitions_.data());
  partition.deadline = now + options_.publish_patience;
  partition.send_again = now;
  partition.patience = kAnswerPatience;
  partition.last_error = absl::OkStatus();
  return parts;
}

void RecordPublisher::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait_for(lock, kTick, [&] { return stopping_ || awake_; });
    if (stopping_) return;
    awake_ = false;
    const absl::Time now = SteadyNow();
    std::vector<Sending> sending, late;
    for (Partition& partition : partitions_) {
      std::vector<std::string> parts;
      if (partition.sent == 0) {
        if (partition.records.empty()) continue;
        parts = Pack(partition, now);
      }
      if (now >= partition.deadline) {
        late.push_back({&partition, partition.token, {}});
      } else if (now >= partition.send_again) {
        partition.send_again = now + partition.patience;
        partition.patience *= 2;
        sending.push_back({&partition, partition.token, std::move(parts)});
      }
    }
    std::vector<Refused> refused = std::exchange(refused_, {});

    lock.unlock();
    for (const Refused& one : refused) one.done(one.status);
    for (const Sending& one : late) Fail(*one.partition, one.token, absl::OkStatus());
    std::vector<std::pair<const Sending*, absl::Status>> failed;
    for (Sending& one : sending) {
      if (absl::Status status = Send(one); !status.ok()) failed.emplace_back(&one, status);
    }
    // Whom they keep alive goes now, and not with the lock held.
    for (Refused& one : refused) one.done = nullptr;
    lock.lock();
    for (const Refused& one : refused) {
      const auto found = refused_of_.find(one.agent_id);
      if (--found->second == 0) refused_of_.erase(found);
    }
    for (const auto& [one, status] : failed) {
      Partition& partition = *one->partition;
      if (partition.sent == 0 || partition.token != one->token) continue;
      Retry(partition, status);
    }
  }
}

void RecordPublisher::Retry(Partition& partition, const absl::Status& error) {
  partition.last_error = error;
  partition.send_again = SteadyNow() + kRetryWait;
  partition.patience = kAnswerPatience;
}

absl::Status RecordPublisher::Send(Sending& sending) {
  std::string& message = sending.partition->message;
  if (!sending.parts.empty()) {
    size_t bytes = 0;
    for (const std::string& part : sending.parts) bytes += part.size();
    // Not the capacity of the largest there ever was.
    message = std::string();
    message.reserve(bytes);
    for (const std::string& part : sending.parts) message += part;
    sending.parts.clear();
  }
  return connection_.Publish({.subject = sending.partition->subject,
                              .data = message,
                              .reply = StrCat(inbox_, ".", sending.token)});
}

void RecordPublisher::Answered(NatsMessage message) {
  const std::string_view subject = SubjectOf(message);
  if (subject.size() <= inbox_.size() + 1) return;
  const std::string_view number = subject.substr(inbox_.size() + 1);
  uint64_t token = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), token);
  if (error != std::errc() || end != number.data() + number.size()) return;
  const absl::StatusOr<uint64_t> stored = ReadPublishAnswer(message, stream_);

  Partition& partition = partitions_[token % partitions_.size()];
  std::deque<Record> records;
  {
    std::lock_guard lock(mutex_);
    // Answered before, when it was sent the first time.
    if (partition.sent == 0 || partition.token != token) return;
    if (absl::IsUnavailable(stored.status())) {
      return Retry(partition, stored.status());
    }
    if (stored.ok()) {
      const auto behind = partition.records.begin() + static_cast<ptrdiff_t>(partition.sent);
      records.assign(std::make_move_iterator(partition.records.begin()),
                     std::make_move_iterator(behind));
      partition.records.erase(partition.records.begin(), behind);
      partition.sent = 0;
      if (!partition.records.empty()) Wake();
    }
  }
  if (!stored.ok()) return Fail(partition, token, stored.status());
  Finish(std::move(records), absl::OkStatus());
}

void RecordPublisher::Fail(Partition& partition, uint64_t token, const absl::Status& reason) {
  std::deque<Record> records;
  absl::Status status = reason;
  {
    std::lock_guard lock(mutex_);
    // Answered, or failed, meanwhile.
    if (partition.sent == 0 || partition.token != token) return;
    if (status.ok()) {
      status = absl::UnavailableError(
          StrCat("not stored by the bus within ", absl::FormatDuration(options_.publish_patience),
                 ": ", partition.last_error.ok() ? "no answer" : partition.last_error.message()));
    }
    partition.failing = true;
    partition.last_error = status;
    records.swap(partition.records);
    partition.sent = 0;
  }
  Finish(std::move(records), status);
  std::lock_guard lock(mutex_);
  partition.failing = false;
}

void RecordPublisher::Finish(std::deque<Record> records, const absl::Status& status) {
  for (const Record& record : records) {
    pending_bytes_ -= record.size;
    --pending_records_;
    record.done(status);
  }
}

}  // namespace dragnet::scheduler
