#include "scheduler/blobs/blob_parts.h"

#include <spdlog/spdlog.h>

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

// What an answer echoes of a request: a SHA-256.
constexpr size_t kDigestBytes = 32;
// Those that no one sends any more are forgotten when there are so many.
constexpr size_t kMaxShared = 4096;

}  // namespace

OutgoingMessage BlobParts::Shared(const Key& key) const {
  const auto found = shared_.find(key);
  return found == shared_.end() ? nullptr : found->second.lock();
}

OutgoingMessage BlobParts::Answer(const v1::BlobRequest& request) {
  const Key key(request.sha256().substr(0, kDigestBytes), request.offset());
  {
    absl::MutexLock lock(&mutex_);
    if (OutgoingMessage shared = Shared(key); shared != nullptr) return shared;
  }
  v1::SchedulerMessage message;
  v1::BlobPart* part = message.mutable_blob_part();
  part->set_sha256(key.first);
  part->set_offset(key.second);
  absl::StatusOr<std::string> data = files_.ReadPart(request.sha256(), request.offset());
  if (data.ok()) {
    part->set_data(*std::move(data));
  } else {
    spdlog::error("blob: {}", ForTerminal(ToStd(data.status().message())));
  }
  auto answer = std::make_shared<const std::string>(message.SerializeAsString());
  if (part->data().empty()) return answer;  // it may come yet
  absl::MutexLock lock(&mutex_);
  // Someone may have been faster.
  if (OutgoingMessage shared = Shared(key); shared != nullptr) return shared;
  if (shared_.size() >= kMaxShared) {
    std::erase_if(shared_, [](const auto& entry) { return entry.second.expired(); });
  }
  shared_[key] = answer;
  return answer;
}

}  // namespace dragnet::scheduler
