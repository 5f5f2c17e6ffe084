// A bus that several schedulers of one process share, in memory: a FakeBusHub, and a
// FakeBus for each. Keeps what the real one promises, and can be cut. Tests only.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/bus/bus.h"

namespace dragnet::scheduler {

class FakeBus;

// Thread-safe.
class FakeBusHub {
 public:
  explicit FakeBusHub(uint32_t partitions) : records_(partitions) {}

 private:
  friend class FakeBus;

  std::mutex mutex_;
  std::condition_variable changed_;
  // By partition; the number of a record is its place from 1 on. Forgotten ones stay here
  // as empty.
  std::vector<std::vector<AgentRecord>> records_;
  std::vector<std::vector<std::string>> keys_{records_.size()};
  std::vector<uint64_t> forgotten_ = std::vector<uint64_t>(records_.size());
  std::vector<v1::Notice> notices_;
  std::map<std::string, FakeBus*> buses_;
};

class FakeBus final : public Bus {
 public:
  FakeBus(std::shared_ptr<FakeBusHub> hub, std::string name)
      : hub_(std::move(hub)), name_(std::move(name)) {
    const std::lock_guard lock(hub_->mutex_);
    hub_->buses_[name_] = this;
    reading_ = std::thread([this] { ReadLoop(); });
    telling_ = std::thread([this] { TellLoop(); });
  }
  ~FakeBus() override {
    {
      const std::lock_guard lock(hub_->mutex_);
      stopping_ = true;
      if (hub_->buses_[name_] == this) hub_->buses_.erase(name_);
      hub_->changed_.notify_all();
    }
    reading_.join();
    telling_.join();
    if (following_.joinable()) following_.join();
  }

  // Nothing gets through, until it does again.
  void Cut(bool cut) {
    std::function<void()> reconnected;
    {
      const std::lock_guard lock(hub_->mutex_);
      if (std::exchange(cut_, cut) && !cut) reconnected = reconnected_;
      hub_->changed_.notify_all();
    }
    if (reconnected != nullptr) reconnected();
  }
  // Messages to this one are lost.
  void LoseMessages(bool lose) {
    const std::lock_guard lock(hub_->mutex_);
    lose_ = lose;
  }
  std::set<uint32_t> partitions_read() {
    const std::lock_guard lock(hub_->mutex_);
    return partitions_;
  }

  void PublishRecord(AgentRecord record, Done done) override {
    absl::Status status;
    {
      const std::lock_guard lock(hub_->mutex_);
      status = StateLocked();
      if (status.ok()) {
        const size_t partition = std::hash<std::string>()(record.agent_id) % hub_->records_.size();
        const v1::ResultRecord& result = record.record;
        std::string key = absl::StrCat(record.agent_id, " ", result.action_id(), " ",
                                       result.occurrence(), " ", result.operation(), " ",
                                       result.sequence(), " ", result.refusal().envelope_sha256());
        std::vector<std::string>& keys = hub_->keys_[partition];
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
          keys.push_back(std::move(key));
          hub_->records_[partition].push_back(std::move(record));
          hub_->changed_.notify_all();
        }
      }
    }
    done(status);
  }
  size_t pending_bytes() const override { return 0; }
  uint32_t partitions() const override { return static_cast<uint32_t>(hub_->records_.size()); }
  void SetWriter(RecordWriter& writer) override {
    const std::lock_guard lock(hub_->mutex_);
    writer_ = &writer;
  }
  void ReadPartitions(std::set<uint32_t> partitions) override {
    const std::lock_guard lock(hub_->mutex_);
    partitions_ = std::move(partitions);
    hub_->changed_.notify_all();
  }
  absl::Status ForgetRecords(const std::vector<uint64_t>& positions) override {
    const std::lock_guard lock(hub_->mutex_);
    if (const absl::Status state = StateLocked(); !state.ok()) return state;
    for (size_t i = 0; i < positions.size() && i < hub_->forgotten_.size(); ++i) {
      for (uint64_t n = hub_->forgotten_[i]; n < positions[i]; ++n) hub_->records_[i][n] = {};
      hub_->forgotten_[i] = std::max(hub_->forgotten_[i], positions[i]);
    }
    return absl::OkStatus();
  }
  absl::StatusOr<Backlog> backlog() override {
    const std::lock_guard lock(hub_->mutex_);
    Backlog backlog;
    for (size_t i = 0; i < hub_->records_.size(); ++i)
      backlog.messages += hub_->records_[i].size() - hub_->forgotten_[i];
    return backlog;
  }

  absl::Status PublishNotice(const v1::Notice& notice) override {
    const std::lock_guard lock(hub_->mutex_);
    if (const absl::Status state = StateLocked(); !state.ok()) return state;
    for (const v1::Notice& known : hub_->notices_)
      if (known.id() == notice.id()) return absl::OkStatus();
    hub_->notices_.push_back(notice);
    hub_->changed_.notify_all();
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> LastNotice() override {
    const std::lock_guard lock(hub_->mutex_);
    if (const absl::Status state = StateLocked(); !state.ok()) return state;
    return hub_->notices_.size();
  }
  void FollowNotices(uint64_t position, NoticeHandler handler, std::function<void()>) override {
    following_ = std::thread(
        [this, position, handler = std::move(handler)] { FollowLoop(position, handler); });
  }

  void Tell(std::string_view to, v1::PeerMessage message) override {
    const std::lock_guard lock(hub_->mutex_);
    if (cut_) return;
    for (const auto& [name, bus] : hub_->buses_)
      if (bus != this && (to.empty() || to == name)) bus->TakeLocked(message, nullptr);
    hub_->changed_.notify_all();
  }
  absl::StatusOr<v1::PeerMessage> Ask(std::string_view to, v1::PeerMessage message,
                                      absl::Duration timeout) override {
    auto answered = std::make_shared<std::promise<v1::PeerMessage>>();
    auto once = std::make_shared<std::once_flag>();
    std::future<v1::PeerMessage> answer = answered->get_future();
    {
      const std::lock_guard lock(hub_->mutex_);
      const auto found = hub_->buses_.find(std::string(to));
      if (cut_ || found == hub_->buses_.end() || found->second->cut_)
        return absl::UnavailableError(absl::StrCat("no one of the name ", std::string(to)));
      found->second->TakeLocked(message, [answered, once](v1::PeerMessage reply) {
        std::call_once(*once, [&] { answered->set_value(std::move(reply)); });
      });
      hub_->changed_.notify_all();
    }
    if (answer.wait_for(absl::ToChronoNanoseconds(timeout)) != std::future_status::ready)
      return absl::UnavailableError("no answer in time");
    return answer.get();
  }
  void OnMessage(MessageHandler handler) override {
    const std::lock_guard lock(hub_->mutex_);
    handler_ = std::move(handler);
    hub_->changed_.notify_all();
  }
  void OnReconnected(std::function<void()> handler) override {
    const std::lock_guard lock(hub_->mutex_);
    reconnected_ = std::move(handler);
  }
  absl::Status state() const override {
    const std::lock_guard lock(hub_->mutex_);
    return StateLocked();
  }

 private:
  // How many records are given to the writer at once, at most.
  static constexpr size_t kBatch = 100;

  absl::Status StateLocked() const {
    return cut_ ? absl::UnavailableError("the bus is cut") : absl::OkStatus();
  }
  void TakeLocked(const v1::PeerMessage& message, Reply reply) {
    if (cut_ || (lose_ && reply == nullptr)) return;
    inbox_.emplace_back(message, std::move(reply));
  }

  void TellLoop() {
    std::unique_lock lock(hub_->mutex_);
    while (true) {
      hub_->changed_.wait(lock,
                          [this] { return stopping_ || (handler_ != nullptr && !inbox_.empty()); });
      if (stopping_) return;
      auto [message, reply] = std::move(inbox_.front());
      inbox_.pop_front();
      const MessageHandler handler = handler_;
      lock.unlock();
      handler(std::move(message), std::move(reply));
      lock.lock();
    }
  }

  void FollowLoop(uint64_t position, const NoticeHandler& handler) {
    std::unique_lock lock(hub_->mutex_);
    while (true) {
      hub_->changed_.wait(lock,
                          [&] { return stopping_ || (!cut_ && hub_->notices_.size() > position); });
      if (stopping_) return;
      const v1::Notice notice = hub_->notices_[position];
      lock.unlock();
      const bool taken = handler(notice).ok();
      lock.lock();
      if (taken) {
        ++position;
      } else {
        hub_->changed_.wait_for(lock, std::chrono::milliseconds(50));
      }
    }
  }

  // A batch of one partition after the other. What was read of one is asked of the writer
  // each time: simple, and right whoever has read it on.
  void ReadLoop() {
    std::unique_lock lock(hub_->mutex_);
    std::map<uint32_t, uint64_t> seen;
    while (true) {
      const auto has_more = [&] {
        if (cut_ || writer_ == nullptr) return false;
        return std::any_of(partitions_.begin(), partitions_.end(), [&](uint32_t partition) {
          return hub_->records_[partition].size() > seen[partition];
        });
      };
      hub_->changed_.wait(lock, [&] { return stopping_ || has_more(); });
      if (stopping_) return;
      const std::set<uint32_t> partitions = partitions_;
      for (const uint32_t partition : partitions) {
        if (hub_->records_[partition].size() <= seen[partition]) continue;
        lock.unlock();
        const absl::StatusOr<uint64_t> position = writer_->PositionOf(partition);
        lock.lock();
        if (!position.ok()) {
          hub_->changed_.wait_for(lock, std::chrono::milliseconds(50));
          continue;
        }
        seen[partition] = *position;
        const std::vector<AgentRecord>& all = hub_->records_[partition];
        if (all.size() <= *position) continue;
        RecordBatch batch;
        const size_t last = std::min<size_t>(all.size(), *position + kBatch);
        batch.range = BusRange{partition, *position, last};
        batch.records.assign(all.begin() + static_cast<ptrdiff_t>(*position),
                             all.begin() + static_cast<ptrdiff_t>(last));
        lock.unlock();
        std::promise<absl::Status> written;
        writer_->Write(std::move(batch),
                       [&](const absl::Status& status) { written.set_value(status); });
        const bool stored = written.get_future().get().ok();
        lock.lock();
        if (stored) {
          seen[partition] = last;
        } else {
          hub_->changed_.wait_for(lock, std::chrono::milliseconds(50));
        }
      }
    }
  }

  const std::shared_ptr<FakeBusHub> hub_;
  const std::string name_;
  // Guarded by the hub's mutex.
  bool stopping_ = false;
  bool cut_ = false;
  bool lose_ = false;
  RecordWriter* writer_ = nullptr;
  std::set<uint32_t> partitions_;
  MessageHandler handler_;
  std::function<void()> reconnected_;
  std::deque<std::pair<v1::PeerMessage, Reply>> inbox_;
  std::thread reading_;
  std::thread telling_;
  std::thread following_;
};

}  // namespace dragnet::scheduler
