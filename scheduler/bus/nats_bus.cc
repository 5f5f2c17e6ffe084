#include "scheduler/bus/nats_bus.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "nlohmann/json.hpp"
#include "scheduler/bus/jetstream.h"
#include "scheduler/bus/stream_reader.h"

namespace dragnet::scheduler {
namespace {

// A server's own default. Less, and large records would never get through.
constexpr int64_t kMinPayload = 1 << 20;
constexpr absl::Duration kLook = absl::Milliseconds(250);
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr absl::Duration kNoticePatience = absl::Seconds(10);
constexpr absl::Duration kAnswerPatience = absl::Seconds(3);
constexpr StreamReader::Limits kNoticeLimits = {.messages = 256, .bytes = 1 << 20};
// Removing messages one by one: so many requests at once, and so long in one call.
constexpr size_t kMaxRemovals = 512;
constexpr absl::Duration kForgettingTime = absl::Seconds(10);
// Of messages without their content.
constexpr StreamReader::Limits kNumberLimits = {.messages = 4096, .bytes = 1 << 20};

// Until it is something else than Unavailable.
absl::Status SetUpPatiently(NatsConnection& connection, const NatsOptions& options, bool change) {
  const absl::Time until = SteadyNow() + options.patience_at_start;
  for (;;) {
    absl::Status status = SetUpStreams(connection, options, change);
    if (!absl::IsUnavailable(status) || SteadyNow() > until) return status;
    absl::SleepFor(kLook);
  }
}

absl::Status PurgeBefore(NatsConnection& connection, const std::string& stream, uint64_t sequence) {
  jsOptions purge;
  jsOptions_Init(&purge);
  purge.Stream.Purge.Sequence = sequence;
  jsErrCode code{};
  const natsStatus status = js_PurgeStream(connection.js(), stream.c_str(), &purge, &code);
  return status == NATS_OK ? absl::OkStatus()
                           : NatsError(StrCat("purge stream ", stream), status, code);
}

}  // namespace

absl::Status PrepareNats(const NatsOptions& options, uint64_t stored) {
  NatsOptions making = options;
  making.create_streams = true;
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<NatsConnection> connection,
                           NatsConnection::Connect(making));
  DRAGNET_RETURN_IF_ERROR(SetUpPatiently(*connection, making, /*change=*/true));
  const std::string stream = NatsNames(options.fleet_id).RecordStream();
  DRAGNET_ASSIGN_OR_RETURN(const NatsStreamInfo info, StreamInfo(*connection, stream));
  if (info->State.LastSeq >= stored) return absl::OkStatus();
  if (info->State.Msgs > 0) {
    return absl::FailedPreconditionError(
        StrCat("stream ", stream, " was made anew, and has ", info->State.Msgs,
               " messages with numbers that the store takes for stored (up to ", stored,
               "): save or remove them first"));
  }
  // Purging an empty stream up to a number that it hasn't reached lets it go on from there.
  return PurgeBefore(*connection, stream, stored + 1);
}

absl::StatusOr<std::unique_ptr<NatsBus>> NatsBus::Connect(const NatsOptions& options) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<NatsConnection> connected,
                           NatsConnection::Connect(options));
  std::shared_ptr<NatsConnection> connection = std::move(connected);
  if (connection->max_payload() < kMinPayload) {
    return absl::FailedPreconditionError(StrCat("bus ", connection->servers(), ": max_payload is ",
                                                connection->max_payload(),
                                                " bytes, and has to be at least ", kMinPayload));
  }
  DRAGNET_RETURN_IF_ERROR(SetUpPatiently(*connection, options, /*change=*/false));
  std::unique_ptr<NatsBus> bus(new NatsBus(options, std::move(connection)));
  DRAGNET_ASSIGN_OR_RETURN(bus->publisher_, RecordPublisher::Create(*bus->connection_, options));
  bus->connection_->OnReconnected([self = bus.get()] {
    self->publisher_->SendAgain();
    std::function<void()> handler;
    {
      std::lock_guard lock(self->mutex_);
      handler = self->on_reconnected_;
    }
    if (handler) handler();
  });
  return bus;
}

NatsBus::NatsBus(const NatsOptions& options, std::shared_ptr<NatsConnection> connection)
    : options_(options), names_(options.fleet_id), connection_(std::move(connection)) {}

NatsBus::~NatsBus() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  readers_.reset();
  if (follower_.joinable()) follower_.join();
  to_this_.reset();
  to_all_.reset();
  // Its handler uses the publisher; the publisher needs no open connection to end.
  connection_->Close();
  publisher_.reset();
}

// ---- records

void NatsBus::PublishRecord(AgentRecord record, Done done) {
  publisher_->Publish(std::move(record), std::move(done));
}

void NatsBus::SetWriter(RecordWriter& writer) {
  writer_ = &writer;
  readers_ =
      std::make_unique<PartitionReaders>(*connection_, options_, writer, counters_.skipped_records);
}

void NatsBus::ReadPartitions(std::set<uint32_t> partitions) { readers_->Read(partitions); }

// Message by message, each looked at: one goes when its own partition is stored up to it.
// What a server says of many (how many a partition has, which is its newest) is not relied
// on here: were it ever wrong, what isn't stored would be lost. And not "all of a subject up
// to this number": before 2.9.18 a server that starts anew goes through its log, and that is
// now "all there was then", stored or not (nats-server issue 4196), and which server it is,
// it says before TLS. The removal of one message is what it was.
absl::Status NatsBus::ForgetRecords(const std::vector<uint64_t>& positions) {
  if (positions.size() != options_.partitions) {
    return absl::InvalidArgumentError(
        StrCat(positions.size(), " positions of ", options_.partitions, " partitions"));
  }
  std::lock_guard lock(forgetting_);
  const std::string stream = names_.RecordStream();
  DRAGNET_ASSIGN_OR_RETURN(const NatsStreamInfo info, StreamInfo(*connection_, stream));
  const uint64_t highest = *std::max_element(positions.begin(), positions.end());
  if (highest > info->State.LastSeq) {
    return absl::FailedPreconditionError(StrCat("stream ", stream, " ends at ", info->State.LastSeq,
                                                ", but ", highest, " is stored: it was made anew"));
  }
  if (info->State.Msgs == 0) return absl::OkStatus();
  std::map<std::string, uint64_t> position_of;
  for (uint32_t partition = 0; partition < options_.partitions; ++partition) {
    position_of.emplace(names_.RecordSubject(partition), positions[partition]);
  }
  StreamReader reader(*connection_, stream, names_.RecordSubjects(), kNumberLimits,
                      StreamReader::Content::kHeaders);
  DRAGNET_RETURN_IF_ERROR(reader.Open(std::max<uint64_t>(info->State.FirstSeq, 1) - 1));
  const absl::Time until = SteadyNow() + kForgettingTime;
  uint64_t last = 0;
  // What is left after that is removed by the next call.
  while (last < highest && SteadyNow() < until) {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<StreamMessage> messages, reader.Next(kLook));
    if (messages.empty()) break;
    last = messages.back().number;
    std::vector<uint64_t> stored;
    for (const StreamMessage& message : messages) {
      const auto position = position_of.find(std::string(SubjectOf(message.message)));
      if (position != position_of.end() && message.number <= position->second)
        stored.push_back(message.number);
    }
    DRAGNET_RETURN_IF_ERROR(Remove(stored));
  }
  return absl::OkStatus();
}

absl::Status NatsBus::Remove(const std::vector<uint64_t>& numbers) {
  const std::string inbox = connection_->NewInbox();
  DRAGNET_ASSIGN_OR_RETURN(const NatsQueue answers, connection_->SubscribeSync(inbox));
  const std::string subject = StrCat("$JS.API.STREAM.MSG.DELETE.", names_.RecordStream());
  size_t asked = 0;
  for (size_t answered = 0; answered < numbers.size(); ++answered) {
    for (; asked < numbers.size() && asked - answered < kMaxRemovals; ++asked) {
      DRAGNET_RETURN_IF_ERROR(
          connection_->Publish({.subject = subject,
                                .data = StrCat("{\"seq\":", numbers[asked], ",\"no_erase\":true}"),
                                .reply = inbox}));
    }
    natsMsg* taken = nullptr;
    const natsStatus status =
        natsSubscription_NextMsg(&taken, answers.get(), absl::ToInt64Milliseconds(kAnswerPatience));
    if (status != NATS_OK) {
      return NatsError(StrCat("remove messages of ", names_.RecordStream()), status);
    }
    const NatsMessage answer(taken);
    if (!StatusOf(answer).empty()) {
      return absl::UnavailableError("no server removes messages at the moment");
    }
    // "It isn't there" is as good. Whatever else an answer says: what is left is seen, and
    // removed, the next time.
  }
  return absl::OkStatus();
}

// Exact when nothing waits, or nothing was stored yet; else an estimate: the messages of a
// partition are taken to be spread evenly over the stream's numbers.
absl::StatusOr<Bus::Backlog> NatsBus::backlog() {
  const std::string stream = names_.RecordStream();
  DRAGNET_ASSIGN_OR_RETURN(const NatsStreamInfo info,
                           StreamInfo(*connection_, stream, names_.RecordSubjects()));
  const jsStreamState& state = info->State;
  Backlog backlog;
  backlog.max_bytes = static_cast<uint64_t>(std::max<int64_t>(info->Config->MaxBytes, 0));
  if (state.Msgs == 0 || state.Subjects == nullptr) return backlog;
  std::map<std::string, uint64_t> counts;
  for (int i = 0; i < state.Subjects->Count; ++i) {
    counts[state.Subjects->List[i].Subject] = state.Subjects->List[i].Msgs;
  }
  double waiting = 0;
  for (uint32_t partition = 0; partition < options_.partitions; ++partition) {
    const std::string subject = names_.RecordSubject(partition);
    const auto count = static_cast<double>(counts[subject]);
    if (count == 0) continue;
    const uint64_t before = state.FirstSeq - 1;
    uint64_t stored = before;
    if (writer_ != nullptr) {
      // A store that can't be asked stores nothing either.
      stored = std::max(stored, writer_->PositionOf(partition).value_or(0));
    }
    if (stored == before) {
      waiting += count;
      continue;
    }
    if (stored >= state.LastSeq) continue;
    DRAGNET_ASSIGN_OR_RETURN(const uint64_t end, LastNumber(*connection_, stream, subject));
    if (end <= stored) continue;
    waiting += count * static_cast<double>(end - stored) / static_cast<double>(end - before);
  }
  waiting = std::min(waiting, static_cast<double>(state.Msgs));
  backlog.messages = static_cast<uint64_t>(std::ceil(waiting));
  backlog.bytes = static_cast<uint64_t>(static_cast<double>(state.Bytes) * waiting /
                                        static_cast<double>(state.Msgs));
  return backlog;
}

// ---- notices

absl::Status NatsBus::PublishNotice(const v1::Notice& notice) {
  const std::string subject = names_.NoticeSubject();
  const std::string bytes = notice.SerializeAsString();
  const absl::Time until = SteadyNow() + kNoticePatience;
  for (;;) {
    // As often as need be: the same notice again makes others look again.
    const absl::StatusOr<NatsMessage> answer =
        connection_->Request({.subject = subject, .data = bytes}, kAnswerPatience);
    absl::Status status = answer.status();
    if (answer.ok()) status = ReadPublishAnswer(*answer, names_.NoticeStream()).status();
    if (!absl::IsUnavailable(status) || SteadyNow() > until) return status;
    if (!Pause(kLook)) return status;
  }
}

absl::StatusOr<uint64_t> NatsBus::LastNotice() {
  DRAGNET_ASSIGN_OR_RETURN(const NatsStreamInfo info,
                           StreamInfo(*connection_, names_.NoticeStream()));
  return info->State.LastSeq;
}

void NatsBus::FollowNotices(uint64_t position, NoticeHandler handler,
                            std::function<void()> missed) {
  follower_ = std::thread([this, position, handler = std::move(handler),
                           missed = std::move(missed)] { Follow(position, handler, missed); });
}

void NatsBus::Follow(uint64_t position, const NoticeHandler& handler,
                     const std::function<void()>& missed) {
  absl::Duration backoff = kMinBackoff;
  do {
    const absl::Time begin = SteadyNow();
    const absl::Status status = FollowOn(&position, handler, missed);
    // It has ended because this bus does.
    if (status.ok()) return;
    if (SteadyNow() - begin > kMaxBackoff) backoff = kMinBackoff;
    if (const auto said = lines_.Ask("follow", SteadyNow())) {
      spdlog::warn("bus: notices are read anew: {}{}", ToStd(status.message()),
                   RepeatedLines::Words(*said));
    }
    backoff = std::min(2 * backoff, kMaxBackoff);
  } while (Pause(backoff));
}

absl::Status NatsBus::FollowOn(uint64_t* position, const NoticeHandler& handler,
                               const std::function<void()>& missed) {
  const std::string stream = names_.NoticeStream();
  DRAGNET_ASSIGN_OR_RETURN(const NatsStreamInfo info, StreamInfo(*connection_, stream));
  const uint64_t first = std::max<uint64_t>(info->State.FirstSeq, 1);
  // After its end: it was made anew.
  if (*position + 1 < first || *position > info->State.LastSeq) {
    *position = first - 1;
    missed();
  }
  StreamReader reader(*connection_, stream, names_.NoticeSubject(), kNoticeLimits);
  DRAGNET_RETURN_IF_ERROR(reader.Open(*position));
  while (Pause(absl::ZeroDuration())) {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<StreamMessage> messages, reader.Next(kLook));
    for (const StreamMessage& message : messages) {
      if (message.number != *position + 1) missed();
      const std::string_view bytes = DataOf(message.message);
      v1::Notice notice;
      if (!notice.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        counters_.skipped_notices.Add();
        if (const auto said = lines_.Ask("notice", SteadyNow())) {
          spdlog::warn("bus: notice {} is none, and is skipped{}", message.number,
                       RepeatedLines::Words(*said));
        }
        *position = message.number;
        continue;
      }
      for (absl::Duration backoff = kMinBackoff;; backoff = std::min(2 * backoff, kMaxBackoff)) {
        const absl::Status handled = handler(notice);
        if (handled.ok()) break;
        if (const auto said = lines_.Ask("handle", SteadyNow())) {
          spdlog::warn("bus: notice {} can't be handled, and is tried again: {}{}", message.number,
                       ToStd(handled.message()), RepeatedLines::Words(*said));
        }
        if (!Pause(backoff)) return absl::OkStatus();
      }
      *position = message.number;
    }
  }
  return absl::OkStatus();
}

bool NatsBus::Pause(absl::Duration duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoMilliseconds(duration), [&] { return stopping_; });
  return !stopping_;
}

// ---- messages

void NatsBus::Tell(std::string_view to, v1::PeerMessage message) {
  absl::Status status;
  if (!to.empty() && !IsSubjectToken(to)) {
    status = absl::InvalidArgumentError("that is no scheduler's name");
  } else {
    message.set_from(options_.scheduler);
    const std::string bytes = message.SerializeAsString();
    if (bytes.size() > kMaxMessageBytes) {
      status = absl::InvalidArgumentError(StrCat("it has ", bytes.size(), " bytes"));
    } else {
      status = connection_->Publish(
          {.subject = to.empty() ? names_.PeersSubject() : names_.PeerSubject(to), .data = bytes});
    }
  }
  if (status.ok()) return;
  counters_.untold_messages.Add();
  if (const auto said = lines_.Ask("tell", SteadyNow())) {
    spdlog::warn("bus: a message to {} was not sent: {}{}",
                 to.empty() ? "all schedulers" : "one scheduler", ToStd(status.message()),
                 RepeatedLines::Words(*said));
  }
}

absl::StatusOr<v1::PeerMessage> NatsBus::Ask(std::string_view to, v1::PeerMessage message,
                                             absl::Duration timeout) {
  if (!IsSubjectToken(to)) {
    return absl::UnavailableError(StrCat("there is no scheduler \"", to, "\""));
  }
  if (to == options_.scheduler) {
    return absl::UnavailableError(StrCat("scheduler ", to, " is the one that asks"));
  }
  message.set_from(options_.scheduler);
  const std::string bytes = message.SerializeAsString();
  if (bytes.size() > kMaxMessageBytes) {
    return absl::InvalidArgumentError(StrCat("a message of ", bytes.size(), " bytes is too large"));
  }
  const absl::StatusOr<NatsMessage> answer =
      connection_->Request({.subject = names_.PeerSubject(to), .data = bytes}, timeout);
  if (!answer.ok()) return Annotate(answer.status(), StrCat("scheduler ", to));
  if (StatusOf(*answer) == "503") {
    return absl::UnavailableError(StrCat("scheduler ", to, " isn't on the bus"));
  }
  const std::string_view data = DataOf(*answer);
  v1::PeerMessage reply;
  if (!reply.ParseFromArray(data.data(), static_cast<int>(data.size()))) {
    return absl::UnavailableError(StrCat("scheduler ", to, " answered what can't be read"));
  }
  return reply;
}

void NatsBus::OnMessage(MessageHandler handler) {
  on_message_ = std::move(handler);
  for (const auto& [subscription, subject] :
       {std::pair(&to_this_, names_.PeerSubject(options_.scheduler)),
        std::pair(&to_all_, names_.PeersSubject())}) {
    absl::StatusOr<std::unique_ptr<NatsSubscription>> made =
        connection_->Subscribe(subject, [this](NatsMessage message) { Heard(std::move(message)); });
    if (made.ok()) {
      *subscription = *std::move(made);
    } else {
      spdlog::error("bus: {}", ToStd(made.status().message()));
    }
  }
  connection_->Flush().IgnoreError();
}

void NatsBus::Heard(NatsMessage message) {
  const std::string_view data = DataOf(message);
  v1::PeerMessage content;
  if (!content.ParseFromArray(data.data(), static_cast<int>(data.size())) ||
      content.content_case() == v1::PeerMessage::CONTENT_NOT_SET) {
    counters_.skipped_messages.Add();
    if (const auto said = lines_.Ask("heard", SteadyNow())) {
      spdlog::warn("bus: a message that no scheduler sends is skipped{}",
                   RepeatedLines::Words(*said));
    }
    return;
  }
  Reply reply;
  // Who asks says where to: that must not be a subject at which a scheduler's word counts.
  if (const std::string_view to = ReplyOf(message); absl::StartsWith(ToAbsl(to), "_INBOX.")) {
    reply = [connection = std::weak_ptr(connection_), to = std::string(to),
             from = options_.scheduler](v1::PeerMessage answer) {
      const std::shared_ptr<NatsConnection> alive = connection.lock();
      if (alive == nullptr) return;
      answer.set_from(from);
      const std::string bytes = answer.SerializeAsString();
      const absl::Status status =
          bytes.size() > kMaxMessageBytes
              ? absl::InvalidArgumentError(StrCat("it has ", bytes.size(), " bytes"))
              : alive->Publish({.subject = to, .data = bytes});
      if (!status.ok()) spdlog::warn("bus: an answer was not sent: {}", ToStd(status.message()));
    };
  }
  std::lock_guard lock(hearing_);
  on_message_(std::move(content), std::move(reply));
}

void NatsBus::OnReconnected(std::function<void()> handler) {
  std::lock_guard lock(mutex_);
  on_reconnected_ = std::move(handler);
}

}  // namespace dragnet::scheduler
