#include "scheduler/bus/in_process_bus.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/strings.h"

namespace dragnet::scheduler {

InProcessBus::~InProcessBus() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (follower_.joinable()) follower_.join();
}

void InProcessBus::PublishRecord(AgentRecord record, Done done) {
  const size_t bytes = record.agent_id.size() + record.record.ByteSizeLong();
  pending_bytes_->fetch_add(bytes);
  RecordBatch batch;
  batch.records.push_back(std::move(record));
  writer_->Write(std::move(batch),
                 [pending = pending_bytes_, bytes, done = std::move(done)](absl::Status status) {
                   pending->fetch_sub(bytes);
                   done(std::move(status));
                 });
}

absl::Status InProcessBus::PublishNotice(const v1::Notice& notice) {
  {
    std::lock_guard lock(mutex_);
    // Newest first: one that comes again does so soon.
    const bool known =
        std::any_of(notices_.rbegin(), notices_.rend(),
                    [&](const v1::Notice& other) { return other.id() == notice.id(); });
    if (known) return absl::OkStatus();
    notices_.push_back(notice);
    ++last_notice_;
    if (notices_.size() > kMaxNotices) notices_.pop_front();
  }
  changed_.notify_all();
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> InProcessBus::LastNotice() {
  std::lock_guard lock(mutex_);
  return last_notice_;
}

void InProcessBus::FollowNotices(uint64_t position, NoticeHandler handler,
                                 std::function<void()> missed) {
  follower_ = std::thread([this, position, handler = std::move(handler),
                           missed = std::move(missed)] { Follow(position, handler, missed); });
}

void InProcessBus::Follow(uint64_t position, const NoticeHandler& handler,
                          const std::function<void()>& missed) {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || position != last_notice_; });
    if (stopping_) return;
    const uint64_t forgotten = last_notice_ - notices_.size();
    if (position < forgotten || position > last_notice_) {
      position = forgotten;
      lock.unlock();
      missed();
      lock.lock();
      continue;
    }
    const v1::Notice notice = notices_[position - forgotten];
    lock.unlock();
    const absl::Status handled = handler(notice);
    lock.lock();
    if (handled.ok()) {
      ++position;
    } else {
      changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return stopping_; });
    }
  }
}

absl::StatusOr<v1::PeerMessage> InProcessBus::Ask(std::string_view to, v1::PeerMessage,
                                                  absl::Duration) {
  return absl::UnavailableError(
      StrCat("there is no scheduler \"", to, "\": this one is alone on its bus"));
}

}  // namespace dragnet::scheduler
