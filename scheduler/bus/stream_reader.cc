#include "scheduler/bus/stream_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/bus/jetstream.h"

namespace dragnet::scheduler {
namespace {

// A request of ours ends by itself after so long; while it waits, the server says so.
constexpr absl::Duration kPullLifetime = absl::Seconds(30);
constexpr absl::Duration kHeartbeat = absl::Seconds(1);
// Silence, after which the server is asked again, and after that again is given up.
constexpr absl::Duration kSilence = absl::Seconds(3);
// Without a message, until it is looked whether there is one.
constexpr absl::Duration kNothing = absl::Seconds(5);
// A consumer that no one asks: of a scheduler that died, or one whose store is slow.
constexpr absl::Duration kUnusedConsumer = absl::Seconds(60);

// 0: it isn't there.
uint64_t NumberOf(const NatsMessage& message, const char* header) {
  const char* text = nullptr;
  uint64_t number = 0;
  if (natsMsgHeader_Get(message.get(), header, &text) != NATS_OK || text == nullptr) return 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;
}

}  // namespace

absl::Status StreamReader::Open(uint64_t position) {
  Close();
  DRAGNET_RETURN_IF_ERROR(connection_.state());
  losses_ = connection_.losses();
  inbox_ = connection_.NewInbox();
  DRAGNET_ASSIGN_OR_RETURN(subscription_, connection_.SubscribeSync(inbox_ + ".*"));
  // The library drops what exceeds these; our own requests bound it.
  natsSubscription_SetPendingLimits(subscription_.get(), -1, -1);

  jsConsumerConfig config;
  jsConsumerConfig_Init(&config);
  config.DeliverPolicy = js_DeliverByStartSequence;
  config.OptStartSeq = position + 1;
  config.AckPolicy = js_AckNone;
  config.FilterSubject = subject_.c_str();
  config.HeadersOnly = content_ == Content::kHeaders;
  config.InactiveThreshold = absl::ToInt64Nanoseconds(kUnusedConsumer);
  config.Replicas = 1;
  config.MemoryStorage = true;
  jsConsumerInfo* created = nullptr;
  jsErrCode code{};
  const natsStatus status =
      js_AddConsumer(&created, connection_.js(), stream_.c_str(), &config, nullptr, &code);
  if (status != NATS_OK) {
    return NatsError(StrCat("read ", subject_, " of stream ", stream_), status, code);
  }
  const NatsPtr<jsConsumerInfo> info(created);
  consumer_ = info->Name;
  last_delivered_ = 0;
  last_number_ = position;
  expected_ = 0;
  next_check_ = SteadyNow() + kNothing;
  left_ = 0;
  return Pull();
}

void StreamReader::Close() {
  next_.reset();
  subscription_.reset();
  if (consumer_.empty()) return;
  // Only told, not asked: the server removes it in the end anyway.
  connection_
      .Publish({.subject = StrCat("$JS.API.CONSUMER.DELETE.", stream_, ".", consumer_),
                .data = {},
                .reply = inbox_})
      .IgnoreError();
  consumer_.clear();
}

absl::Status StreamReader::Pull() {
  ++pull_;
  left_ = limits_.messages;
  heard_ = SteadyNow();
  asked_again_ = false;
  return connection_.Publish(
      {.subject = StrCat("$JS.API.CONSUMER.MSG.NEXT.", stream_, ".", consumer_),
       .data = StrCat("{\"batch\":", limits_.messages, ",\"max_bytes\":", limits_.bytes,
                      ",\"expires\":", absl::ToInt64Nanoseconds(kPullLifetime),
                      ",\"idle_heartbeat\":", absl::ToInt64Nanoseconds(kHeartbeat), "}"),
       .reply = StrCat(inbox_, ".", pull_)});
}

absl::StatusOr<std::vector<StreamMessage>> StreamReader::Next(absl::Duration patience) {
  if (subscription_ == nullptr) return absl::FailedPreconditionError("the reader isn't open");
  std::vector<StreamMessage> batch;
  int64_t bytes = 0;
  if (next_.has_value()) {
    bytes = static_cast<int64_t>(DataOf(next_->message).size());
    batch.push_back(*std::move(next_));
    next_.reset();
  }
  const absl::Time until = SteadyNow() + patience;
  while (static_cast<int>(batch.size()) < limits_.messages) {
    // Wait for the first one only: the others are there already, or come with the next batch.
    const absl::Duration wait =
        batch.empty() ? std::max(until - SteadyNow(), absl::ZeroDuration()) : absl::ZeroDuration();
    DRAGNET_ASSIGN_OR_RETURN(std::optional<StreamMessage> message, Take(wait));
    if (!message.has_value()) {
      if (!batch.empty() || SteadyNow() >= until) break;
      continue;
    }
    bytes += static_cast<int64_t>(DataOf(message->message).size());
    if (bytes > limits_.bytes && !batch.empty()) {
      next_ = *std::move(message);
      break;
    }
    batch.push_back(*std::move(message));
  }
  if (batch.empty()) DRAGNET_RETURN_IF_ERROR(CheckSilence());
  return batch;
}

absl::Status StreamReader::CheckSilence() {
  if (SteadyNow() < next_check_) return absl::OkStatus();
  next_check_ = SteadyNow() + kNothing;
  if (last_number_ < expected_) {
    return absl::UnavailableError(StrCat("stream ", stream_, ": message ", expected_,
                                         " is there, and the server that is read from doesn't "
                                         "send it"));
  }
  // These are answered by the stream's leader, which has everything.
  DRAGNET_ASSIGN_OR_RETURN(const NatsStreamInfo info, StreamInfo(connection_, stream_));
  if (info->State.LastSeq <= last_number_) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(expected_, LastNumber(connection_, stream_, subject_));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<StreamMessage>> StreamReader::Take(absl::Duration patience) {
  // What was on its way when the connection was lost isn't sent again.
  if (connection_.losses() != losses_)
    return absl::UnavailableError(StrCat("stream ", stream_, ": the connection was lost"));
  if (left_ == 0) DRAGNET_RETURN_IF_ERROR(Pull());
  natsMsg* taken = nullptr;
  const natsStatus status =
      natsSubscription_NextMsg(&taken, subscription_.get(), absl::ToInt64Milliseconds(patience));
  if (status == NATS_TIMEOUT) {
    DRAGNET_RETURN_IF_ERROR(connection_.state());
    if (SteadyNow() - heard_ > kSilence) {
      if (asked_again_) {
        return absl::UnavailableError(StrCat("stream ", stream_, ": the server is silent"));
      }
      // A request whose bytes were used up to the last one ends without a word.
      DRAGNET_RETURN_IF_ERROR(Pull());
      asked_again_ = true;
    }
    return std::nullopt;
  }
  if (status != NATS_OK) return NatsError(StrCat("read stream ", stream_), status);
  StreamMessage message{.number = 0, .message = NatsMessage(taken)};
  heard_ = SteadyNow();
  // By its subject, not by what it says of itself: anyone may publish a message that looks
  // like a server's word.
  if (absl::StartsWith(ToAbsl(SubjectOf(message.message)), ToAbsl(inbox_))) {
    DRAGNET_RETURN_IF_ERROR(HandleServersWord(message.message));
    return std::nullopt;
  }
  const std::optional<DeliveryNumbers> numbers = ParseDelivery(ReplyOf(message.message));
  // Not from the stream.
  if (!numbers.has_value()) return std::nullopt;
  if (numbers->consumer != last_delivered_ + 1 || numbers->stream <= last_number_) {
    return absl::DataLossError(StrCat("stream ", stream_, ": message ", numbers->consumer,
                                      " came after message ", last_delivered_));
  }
  last_delivered_ = numbers->consumer;
  last_number_ = numbers->stream;
  next_check_ = heard_ + kNothing;
  message.number = numbers->stream;
  asked_again_ = false;
  left_ = std::max(left_ - 1, 0);
  return message;
}

absl::Status StreamReader::HandleServersWord(const NatsMessage& message) {
  const std::string_view status = StatusOf(message);
  if (status == "100") {
    asked_again_ = false;
    // It was sent after all that the consumer has delivered. What isn't here by now was lost
    // on its way, and nothing would ever say so in a partition that is quiet from now on.
    const uint64_t delivered = NumberOf(message, "Nats-Last-Consumer");
    if (delivered <= last_delivered_) return absl::OkStatus();
    return absl::DataLossError(StrCat("stream ", stream_, ": of ", delivered,
                                      " messages that were sent ", last_delivered_, " came"));
  }
  // About a request that has ended already.
  if (SubjectOf(message) != StrCat(inbox_, ".", pull_)) return absl::OkStatus();
  // 408: its time is over. 404: nothing there.
  const bool ended = status == "408" || status == "404" ||
                     (status == "409" &&
                      DescriptionOf(message) == std::string_view("Message Size Exceeds MaxBytes"));
  if (!ended) {
    return absl::UnavailableError(
        StrCat("stream ", stream_, ": the server says ", status, " ", DescriptionOf(message)));
  }
  left_ = 0;
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
