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

// JetStream itself doesn't slow down who publishes: what is sent lies in its memory.
constexpr size_t kMaxUnderWay = 4096;
constexpr size_t kMaxBytesUnderWay = 16 << 20;
constexpr size_t kSentAtOnce = 256;
constexpr auto kTick = std::chrono::milliseconds(100);
// An answer that isn't there after so long was probably lost with a server.
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
      names_(options.fleet_id),
      stream_(names_.RecordStream()),
      inbox_(connection.NewInbox()) {}

RecordPublisher::~RecordPublisher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (sender_.joinable()) sender_.join();
  answers_.reset();
  // No thread of this one's is left.
  for (const Refused& refused : refused_) refused.done(refused.status);
  for (auto& [id, agent] : agents_) {
    for (const std::shared_ptr<Record>& record : agent.records) {
      record->done(absl::UnavailableError("this scheduler leaves the bus"));
    }
  }
}

void RecordPublisher::Publish(const AgentRecord& record, Bus::Done done) {
  auto waiting = std::make_shared<Record>();
  waiting->bytes = SerializeRecord(record);
  waiting->subject = names_.RecordSubject(PartitionOf(record.agent_id, options_.partitions));
  waiting->done = std::move(done);
  const size_t bytes = waiting->bytes.size();
  {
    std::lock_guard lock(mutex_);
    if (absl::Status status = MayTake(record.agent_id, bytes); !status.ok()) {
      ++refused_of_[record.agent_id];
      refused_.push_back({record.agent_id, std::move(waiting->done), std::move(status)});
    } else {
      Agent& agent = agents_[record.agent_id];
      pending_bytes_ += bytes;
      ++pending_records_;
      agent.records.push_back(std::move(waiting));
      if (agent.records.size() == 1) Queue(record.agent_id, agent);
    }
  }
  changed_.notify_one();
}

absl::Status RecordPublisher::MayTake(const std::string& agent_id, size_t bytes) {
  if (bytes > Bus::kMaxRecordBytes) {
    return absl::InvalidArgumentError(StrCat("a record of ", bytes, " bytes is too large"));
  }
  if (const auto found = agents_.find(agent_id); found != agents_.end() && found->second.failing) {
    return found->second.last_error;
  }
  if (pending_records_ >= options_.max_pending_records ||
      pending_bytes_ + bytes > options_.max_pending_bytes || refused_of_.contains(agent_id)) {
    return absl::ResourceExhaustedError(
        "too many records wait for the bus already in this scheduler");
  }
  return absl::OkStatus();
}

void RecordPublisher::SendAgain() {
  {
    std::lock_guard lock(mutex_);
    for (const auto& [token, agent_id] : under_way_) Queue(agent_id, agents_.at(agent_id));
  }
  changed_.notify_one();
}

void RecordPublisher::Queue(const std::string& agent_id, Agent& agent) {
  if (agent.is_ready) return;
  agent.is_ready = true;
  // What was sent before has its place already.
  if (agent.was_sent) {
    ready_.push_front(agent_id);
  } else {
    ready_.push_back(agent_id);
  }
}

void RecordPublisher::Run() {
  struct Sending {
    std::string agent_id;
    uint64_t token;
    std::shared_ptr<Record> record;
  };
  absl::Time next_look = SteadyNow();
  std::unique_lock lock(mutex_);
  const auto may_send = [&] {
    if (ready_.empty()) return false;
    const auto first = agents_.find(ready_.front());
    if (first == agents_.end() || first->second.was_sent) return true;
    return under_way_.size() < kMaxUnderWay && bytes_under_way_ < kMaxBytesUnderWay;
  };
  while (!stopping_) {
    changed_.wait_for(lock, kTick, [&] { return stopping_ || !refused_.empty() || may_send(); });
    if (stopping_) return;
    const absl::Time now = SteadyNow();
    std::vector<std::pair<std::string, uint64_t>> late;
    if (now >= next_look) {
      next_look = now + absl::FromChrono(kTick);
      for (const auto& [token, agent_id] : under_way_) {
        Agent& agent = agents_.at(agent_id);
        if (now >= agent.deadline) {
          late.emplace_back(agent_id, token);
        } else if (now >= agent.send_again) {
          Queue(agent_id, agent);
        }
      }
    }
    std::vector<Sending> sending;
    while (sending.size() < kSentAtOnce && may_send()) {
      const std::string agent_id = std::move(ready_.front());
      ready_.pop_front();
      const auto found = agents_.find(agent_id);
      if (found == agents_.end()) continue;
      Agent& agent = found->second;
      if (!agent.is_ready || agent.records.empty()) continue;
      agent.is_ready = false;
      const std::shared_ptr<Record>& record = agent.records.front();
      if (!agent.was_sent) {
        agent.was_sent = true;
        agent.token = ++last_token_;
        agent.deadline = now + options_.publish_patience;
        agent.last_error = absl::OkStatus();
        under_way_.emplace(agent.token, agent_id);
        bytes_under_way_ += record->bytes.size();
      }
      agent.send_again = now + kAnswerPatience;
      sending.push_back({agent_id, agent.token, record});
    }
    std::vector<Refused> refused;
    refused.swap(refused_);

    lock.unlock();
    for (const Refused& one : refused) one.done(one.status);
    for (const auto& [agent_id, token] : late) Fail(agent_id, token, absl::OkStatus());
    std::vector<std::pair<const Sending*, absl::Status>> failed;
    for (const Sending& one : sending) {
      absl::Status status = connection_.Publish({.subject = one.record->subject,
                                                 .data = one.record->bytes,
                                                 .reply = StrCat(inbox_, ".", one.token)});
      if (!status.ok()) failed.emplace_back(&one, std::move(status));
    }
    lock.lock();
    for (const Refused& one : refused) {
      const auto found = refused_of_.find(one.agent_id);
      if (--found->second == 0) refused_of_.erase(found);
    }
    for (const auto& [one, status] : failed) {
      if (!under_way_.contains(one->token)) continue;
      Agent& agent = agents_.at(one->agent_id);
      agent.last_error = status;
      agent.send_again = SteadyNow() + kRetryWait;
    }
  }
}

void RecordPublisher::Answered(NatsMessage message) {
  const std::string_view subject = SubjectOf(message);
  if (subject.size() <= inbox_.size() + 1) return;
  const std::string_view number = subject.substr(inbox_.size() + 1);
  uint64_t token = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), token);
  if (error != std::errc() || end != number.data() + number.size()) return;
  const absl::StatusOr<uint64_t> stored = ReadPublishAnswer(message, stream_);

  std::shared_ptr<Record> record;
  std::string agent_id;
  {
    std::lock_guard lock(mutex_);
    // Answered before, when it was sent the first time.
    const auto found = under_way_.find(token);
    if (found == under_way_.end()) return;
    agent_id = found->second;
    Agent& agent = agents_.at(agent_id);
    if (absl::IsUnavailable(stored.status())) {
      agent.last_error = stored.status();
      agent.send_again = SteadyNow() + kRetryWait;
      return;
    }
    if (stored.ok()) {
      record = std::move(agent.records.front());
      agent.records.pop_front();
      agent.was_sent = false;
      agent.is_ready = false;
      under_way_.erase(found);
      bytes_under_way_ -= record->bytes.size();
      if (agent.records.empty()) {
        agents_.erase(agent_id);
      } else {
        Queue(agent_id, agent);
      }
    }
  }
  if (record == nullptr) {
    Fail(agent_id, token, stored.status());
    return;
  }
  changed_.notify_one();
  Forget(*record);
  record->done(absl::OkStatus());
}

void RecordPublisher::Fail(const std::string& agent_id, uint64_t token,
                           const absl::Status& reason) {
  std::deque<std::shared_ptr<Record>> records;
  absl::Status status = reason;
  {
    std::lock_guard lock(mutex_);
    // Answered, or failed, meanwhile.
    if (under_way_.erase(token) == 0) return;
    Agent& agent = agents_.at(agent_id);
    if (status.ok()) {
      status = absl::UnavailableError(
          StrCat("not stored by the bus within ", absl::FormatDuration(options_.publish_patience),
                 ": ", agent.last_error.ok() ? "no answer" : agent.last_error.message()));
    }
    agent.failing = true;
    agent.last_error = status;
    records.swap(agent.records);
    bytes_under_way_ -= records.front()->bytes.size();
  }
  changed_.notify_one();
  for (const std::shared_ptr<Record>& record : records) {
    Forget(*record);
    record->done(status);
  }
  std::lock_guard lock(mutex_);
  agents_.erase(agent_id);
}

void RecordPublisher::Forget(const Record& record) {
  pending_bytes_ -= record.bytes.size();
  --pending_records_;
}

}  // namespace dragnet::scheduler
