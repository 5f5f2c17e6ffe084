#include "scheduler/auth/open_streams.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "core/clock.h"
#include "core/strings.h"
#include "core/text.h"
#include "scheduler/observe/metrics.h"

namespace dragnet::scheduler {

absl::Status OpenStreams::Add(const Identity& identity, const std::shared_ptr<OpenStream>& stream) {
  std::shared_ptr<OpenStream> surplus;
  {
    absl::MutexLock lock(&mutex_);
    // Who reconnects often would leave a trail of streams that are gone.
    auto [begin, end] = entries_.equal_range(identity.uri);
    while (begin != end) begin = begin->second.stream.expired() ? entries_.erase(begin) : ++begin;
    if (identity.kind == Identity::Kind::kAgent) {
      surplus = TakeSurplusLocked(identity.uri);
    } else if (entries_.count(identity.uri) >= kMaxPerIdentity) {
      return absl::ResourceExhaustedError(
          StrCat("more than ", kMaxPerIdentity, " open streams of ", identity.uri));
    }
    entries_.emplace(identity.uri, Entry{stream, identity.not_after});
  }
  if (surplus == nullptr) return absl::OkStatus();
  const absl::Status reason = absl::ResourceExhaustedError("too many open streams of this agent");
  surplus->CutOff(reason);
  TheMetrics().sessions_refused.Add(reason.code());
  if (const auto left_out = log_.Take(SteadyNow()))
    spdlog::warn("{}: too many open streams: one was cut off ({} more such lines left out)",
                 ForTerminal(identity.uri), *left_out);
  return absl::OkStatus();
}

std::shared_ptr<OpenStream> OpenStreams::TakeSurplusLocked(const std::string& uri) {
  // In the order in which they were added. Bounded: at most kMaxPerIdentity.
  auto [begin, end] = entries_.equal_range(uri);
  size_t all = 0;
  size_t before_hello = 0;
  auto oldest_before_hello = end;
  for (auto entry = begin; entry != end; ++entry) {
    ++all;
    const std::shared_ptr<OpenStream> stream = entry->second.stream.lock();
    if (stream == nullptr || stream->established()) continue;
    if (before_hello++ == 0) oldest_before_hello = entry;
  }
  if (before_hello < kMaxBeforeHello && all < kMaxPerIdentity) return nullptr;
  const auto surplus = before_hello > 0 ? oldest_before_hello : begin;
  std::shared_ptr<OpenStream> stream = surplus->second.stream.lock();
  entries_.erase(surplus);
  return stream;
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

uint32_t OpenStreams::CloseAllOf(const std::string& uri, const absl::Status& reason,
                                 Closing closing) {
  const std::vector<std::shared_ptr<OpenStream>> streams = Streams(&uri);
  for (const auto& stream : streams) {
    if (closing == Closing::kNow) {
      stream->Close(reason);
    } else {
      stream->CloseWhenSent(reason);
    }
  }
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
  for (const auto& stream : Streams(nullptr)) {
    stream->CutOffIfClosed();
    stream->GoOn();
  }
  for (const auto& stream : expired)
    stream->Close(absl::UnauthenticatedError("the certificate has expired"));
}

}  // namespace dragnet::scheduler
