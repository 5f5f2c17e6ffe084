#include "scheduler/cluster/blob_exchange.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kDigestBytes = 32;
constexpr absl::Duration kPartTimeout = absl::Seconds(5);
// For all blobs of an action together, at another scheduler.
constexpr absl::Duration kKeepTimeout = absl::Seconds(10);
constexpr absl::Duration kLongest = absl::Hours(366 * 24);
constexpr size_t kMaxWanted = 100'000;

std::string Name(std::string_view sha256) { return HexEncode(sha256); }

}  // namespace

// Waits until no one else fetches it.
class BlobExchange::Turn {
 public:
  Turn(BlobExchange& exchange, const std::string& sha256) : exchange_(exchange), sha256_(sha256) {
    absl::MutexLock lock(&exchange_.mutex_);
    exchange_.mutex_.Await(absl::Condition(
        +[](Turn* self) ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return !self->exchange_.fetching_.contains(self->sha256_);
        },
        this));
    exchange_.fetching_.insert(sha256_);
  }
  ~Turn() {
    absl::MutexLock lock(&exchange_.mutex_);
    exchange_.fetching_.erase(sha256_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  BlobExchange& exchange_;
  const std::string sha256_;
};

absl::Status BlobExchange::FetchFrom(const std::string& scheduler, const std::string& sha256) {
  v1::PutBlobPartRequest part;
  part.set_sha256(sha256);
  while (true) {
    v1::PeerMessage message;
    message.mutable_blob_part_request()->set_sha256(sha256);
    message.mutable_blob_part_request()->set_offset(part.offset());
    DRAGNET_ASSIGN_OR_RETURN(v1::PeerMessage answer,
                             ask_(scheduler, std::move(message), kPartTimeout));
    v1::BlobPartReply& reply = *answer.mutable_blob_part_reply();
    if (reply.size() == 0)
      return absl::NotFoundError(StrCat("scheduler ", scheduler, " has no blob ", Name(sha256)));
    // The size of the first part holds; the files check everything else.
    if (part.size() == 0) part.set_size(reply.size());
    part.set_data(std::move(*reply.mutable_data()));
    DRAGNET_RETURN_IF_ERROR(files_.PutPart(StrCat("scheduler ", scheduler), part));
    if (files_.Has(sha256)) return absl::OkStatus();
    part.set_offset(part.offset() + part.data().size());
  }
}

absl::Status BlobExchange::Fetch(std::string_view sha256) {
  if (sha256.size() != kDigestBytes) return absl::NotFoundError("sha256: 32 bytes");
  if (files_.Has(sha256)) return absl::OkStatus();
  const Turn turn(*this, std::string(sha256));
  if (files_.Has(sha256)) return absl::OkStatus();
  absl::Status status = absl::NotFoundError(StrCat("no scheduler has blob ", Name(sha256)));
  for (const std::string& scheduler : others_()) {
    const absl::Status fetched = FetchFrom(scheduler, std::string(sha256));
    if (fetched.ok()) return fetched;
    if (!absl::IsNotFound(fetched)) status = fetched;
  }
  return status;
}

absl::Status BlobExchange::MakeSafe(const std::vector<std::string>& sha256s, absl::Time until) {
  const std::vector<std::string> others = others_();
  if (sha256s.empty() || others.empty()) return absl::OkStatus();
  v1::PeerMessage message;
  for (const std::string& sha256 : sha256s) message.mutable_keep_blobs()->add_sha256(sha256);
  *message.mutable_keep_blobs()->mutable_until() =
      ToTimestamp(std::min(until, clock_.Now() + kLongest));
  // All at once: the first that has them is enough, and one that hangs holds no one up.
  struct Answers {
    absl::Mutex mutex;
    size_t left ABSL_GUARDED_BY(mutex);
    bool safe ABSL_GUARDED_BY(mutex) = false;
    absl::Status status ABSL_GUARDED_BY(mutex);
    bool Decided() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return safe || left == 0; }
  };
  const auto answers = std::make_shared<Answers>();
  {
    absl::MutexLock lock(&answers->mutex);
    answers->left = others.size();
  }
  for (const std::string& scheduler : others) {
    auto ask = [this, answers, scheduler, message] {
      const absl::StatusOr<v1::PeerMessage> answer = ask_(scheduler, message, kKeepTimeout);
      absl::MutexLock lock(&answers->mutex);
      --answers->left;
      if (!answer.ok()) {
        answers->status = answer.status();
      } else if (answer->has_keep_blobs_reply() && answer->keep_blobs_reply().code() == 0) {
        answers->safe = true;
      } else {
        answers->status = absl::UnavailableError(
            StrCat(scheduler, ": ", ForTerminal(answer->keep_blobs_reply().message())));
      }
    };
    if (!asking_.Run(ask)) ask();
  }
  absl::MutexLock lock(&answers->mutex);
  answers->mutex.Await(
      absl::Condition(+[](Answers* all) { return all->Decided(); }, answers.get()));
  if (answers->safe) return absl::OkStatus();
  const absl::Status& status = answers->status;
  // One that has died counts as another one until its lease is over.
  return absl::UnavailableError(StrCat("what the action names isn't on a second scheduler yet (",
                                       status.message(), "): try again"));
}

void BlobExchange::Want(const std::vector<std::string>& sha256s, absl::Time until) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& sha256 : sha256s) {
    if (wanted_.size() >= kMaxWanted) return;
    absl::Time& known = wanted_.try_emplace(sha256, until).first->second;
    known = std::max(known, until);
  }
}

void BlobExchange::FetchWanted() {
  std::map<std::string, absl::Time> wanted;
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(wanted_, [&](const auto& entry) { return entry.second < clock_.Now(); });
    wanted = wanted_;
  }
  for (const auto& [sha256, until] : wanted) {
    absl::Status status = Fetch(sha256);
    if (status.ok()) status = files_.KeepUntil(sha256, until);
    if (!status.ok()) {
      if (const auto said = lines_.Ask(sha256, SteadyNow()))
        spdlog::warn("blob {} is not here: {}{}", Name(sha256),
                     ForTerminal(ToStd(status.message())), RepeatedLines::Words(*said));
      continue;
    }
    absl::MutexLock lock(&mutex_);
    wanted_.erase(sha256);
  }
}

v1::BlobPartReply BlobExchange::OnPartRequest(const v1::BlobPartRequest& request) const {
  v1::BlobPartReply reply;
  const absl::StatusOr<uint64_t> size = files_.SizeOf(request.sha256());
  if (!size.ok()) return reply;
  absl::StatusOr<std::string> data = files_.ReadPart(request.sha256(), request.offset());
  if (!data.ok()) {
    spdlog::error("blob: {}", ForTerminal(ToStd(data.status().message())));
    return reply;
  }
  reply.set_size(*size);
  reply.set_data(*std::move(data));
  return reply;
}

v1::KeepBlobsReply BlobExchange::OnKeep(const std::string& from, const v1::KeepBlobs& keep) {
  v1::KeepBlobsReply reply;
  absl::Status status;
  if (keep.sha256_size() > kMaxBlobs) status = absl::InvalidArgumentError("too many blobs");
  const absl::Time until =
      std::min(ToTime(keep.until()).value_or(clock_.Now()), clock_.Now() + kLongest);
  for (int i = 0; status.ok() && i < keep.sha256_size(); ++i) {
    const std::string& sha256 = keep.sha256(i);
    if (sha256.size() != kDigestBytes) status = absl::InvalidArgumentError("sha256: 32 bytes");
    if (status.ok()) {
      const Turn turn(*this, sha256);
      if (!files_.Has(sha256)) status = FetchFrom(from, sha256);
    }
    if (status.ok()) status = files_.KeepUntil(sha256, until);
  }
  reply.set_code(static_cast<int>(status.code()));
  reply.set_message(std::string(ToStd(status.message())));
  return reply;
}

}  // namespace dragnet::scheduler
