#include "scheduler/auth/open_streams.h"

#include <utility>

#include "core/strings.h"

namespace dragnet::scheduler {

absl::Status OpenStreams::Add(const Identity& identity, const std::shared_ptr<OpenStream>& stream) {
  absl::MutexLock lock(&mutex_);
  // Who reconnects often would leave a trail of streams that are gone.
  auto [begin, end] = entries_.equal_range(identity.uri);
  while (begin != end) begin = begin->second.stream.expired() ? entries_.erase(begin) : ++begin;
  if (entries_.count(identity.uri) >= kMaxPerIdentity)
    return absl::ResourceExhaustedError(
        StrCat("more than ", kMaxPerIdentity, " open streams of ", identity.uri));
  entries_.emplace(identity.uri, Entry{stream, identity.not_after});
  return absl::OkStatus();
}

std::vector<std::shared_ptr<OpenStream>> OpenStreams::Streams(const std::string* uri) {
  absl::MutexLock lock(&mutex_);
  auto range = uri == nullptr ? std::make_pair(entries_.begin(), entries_.end())
                              : entries_.equal_range(*uri);
  std::vector<std::shared_ptr<OpenStream>> streams;
  for (auto entry = range.first; entry != range.second; ++entry)
    if (auto stream = entry->second.stream.lock()) streams.push_back(std::move(stream));
  return streams;
}

uint32_t OpenStreams::CloseAllOf(const std::string& uri, const absl::Status& reason) {
  const std::vector<std::shared_ptr<OpenStream>> streams = Streams(&uri);
  for (const auto& stream : streams) stream->Close(reason);
  return static_cast<uint32_t>(streams.size());
}

void OpenStreams::CloseAll(const absl::Status& reason) {
  for (const auto& stream : Streams(nullptr)) stream->Close(reason);
}

void OpenStreams::Sweep(absl::Time now) {
  std::vector<std::shared_ptr<OpenStream>> expired;
  {
    absl::MutexLock lock(&mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      auto stream = entry->second.stream.lock();
      if (stream == nullptr) {
        entry = entries_.erase(entry);
        continue;
      }
      if (entry->second.not_after < now) expired.push_back(std::move(stream));
      ++entry;
    }
  }
  for (const auto& stream : Streams(nullptr)) stream->CutOffIfClosed();
  for (const auto& stream : expired)
    stream->Close(absl::UnauthenticatedError("the certificate has expired"));
}

}  // namespace dragnet::scheduler
