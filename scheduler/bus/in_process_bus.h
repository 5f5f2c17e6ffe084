// The bus of a single scheduler: nothing leaves the process. A record goes straight to
// the writer, moved and never serialised, and its `done` is the commit. Notices and what
// is told loop within the process; no one else is there to be told or asked.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "scheduler/bus/bus.h"

namespace dragnet::scheduler {

class InProcessBus : public Bus {
 public:
  InProcessBus() = default;
  ~InProcessBus() override;

  void PublishRecord(AgentRecord record, Done done) override;
  size_t pending_bytes() const override { return *pending_bytes_; }
  uint32_t partitions() const override { return 0; }
  void SetWriter(RecordWriter& writer) override { writer_ = &writer; }
  void ReadPartitions(std::set<uint32_t>) override {}
  absl::Status ForgetRecords(const std::vector<uint64_t>&) override { return absl::OkStatus(); }
  absl::StatusOr<Backlog> backlog() override { return Backlog(); }

  absl::Status PublishNotice(const v1::Notice& notice) override;
  absl::StatusOr<uint64_t> LastNotice() override;
  void FollowNotices(uint64_t position, NoticeHandler handler,
                     std::function<void()> missed) override;

  void Tell(std::string_view, v1::PeerMessage) override {}
  absl::StatusOr<v1::PeerMessage> Ask(std::string_view to, v1::PeerMessage message,
                                      absl::Duration timeout) override;
  void OnMessage(MessageHandler) override {}
  void OnReconnected(std::function<void()>) override {}
  absl::Status state() const override { return absl::OkStatus(); }

 private:
  // As many as a follower may lag behind.
  static constexpr size_t kMaxNotices = 4096;

  void Follow(uint64_t position, const NoticeHandler& handler, const std::function<void()>& missed);

  RecordWriter* writer_ = nullptr;
  // Shared with what waits at the writer, which outlives the bus.
  std::shared_ptr<std::atomic<size_t>> pending_bytes_ = std::make_shared<std::atomic<size_t>>(0);

  std::mutex mutex_;
  std::condition_variable changed_;
  // The newest, whose positions end with last_notice_.
  std::deque<v1::Notice> notices_;
  uint64_t last_notice_ = 0;
  bool stopping_ = false;
  std::thread follower_;
};

}  // namespace dragnet::scheduler
