#include "scheduler/auth/open_streams.h"

#include <utility>
#include <vector>

namespace dragnet::scheduler {

void OpenStreams::Add(const Identity& identity, const std::shared_ptr<OpenStream>& stream) {
  absl::MutexLock lock(&mutex_);
  // Who reconnects often would leave a trail of streams that are gone.
  auto [begin, end] = entries_.equal_range(identity.uri);
  while (begin != end) begin = begin->second.stream.expired() ? entries_.erase(begin) : ++begin;
  entries_.emplace(identity.uri, Entry{stream, identity.not_after});
}

uint32_t OpenStreams::CloseAllOf(const std::string& uri, const absl::Status& reason) {
  std::vector<std::shared_ptr<OpenStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    auto [begin, end] = entries_.equal_range(uri);
    for (auto entry = begin; entry != end; ++entry)
      if (auto stream = entry->second.stream.lock()) streams.push_back(std::move(stream));
    entries_.erase(begin, end);
  }
  for (const auto& stream : streams) stream->Close(reason);
  return static_cast<uint32_t>(streams.size());
}

void OpenStreams::CloseExpired(absl::Time now) {
  std::vector<std::shared_ptr<OpenStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      auto stream = entry->second.stream.lock();
      if (stream != nullptr && entry->second.not_after >= now) {
        ++entry;
        continue;
      }
      if (stream != nullptr) streams.push_back(std::move(stream));
      entry = entries_.erase(entry);
    }
  }
  for (const auto& stream : streams)
    stream->Close(absl::UnauthenticatedError("the certificate has expired"));
}

void OpenStreams::CloseAll(const absl::Status& reason) {
  std::multimap<std::string, Entry> entries;
  {
    absl::MutexLock lock(&mutex_);
    entries.swap(entries_);
  }
  for (const auto& [uri, entry] : entries)
    if (auto stream = entry.stream.lock()) stream->Close(reason);
}

}  // namespace dragnet::scheduler
