// One agent's stream. Reads one message at a time, and none while too many of
// its records wait to be stored, it leaves its acknowledgements unread, it sends
// too fast what is over its operations' bounds, or the budget of all records is
// used up: the agent is then held up by HTTP/2 itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "core/clock.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "grpcpp/support/slice.h"
#include "scheduler/auth/certificates.h"
#include "scheduler/auth/open_streams.h"
#include "scheduler/auth/revocations.h"
#include "scheduler/blobs/blob_parts.h"
#include "scheduler/blobs/blob_source.h"
#include "scheduler/blobs/blob_turns.h"
#include "scheduler/bus/bus.h"
#include "scheduler/cluster/session_claims.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/enrolment/issuing_ca.h"
#include "scheduler/executor.h"
#include "scheduler/gateway/drop_limit.h"
#include "scheduler/gateway/record_budget.h"

namespace dragnet::scheduler {

// What all sessions share. Everything in it outlives them.
struct GatewayParts {
  Store& store;
  Agents& agents;
  Dispatcher& dispatcher;
  Bus& bus;
  // Null without other schedulers.
  SessionClaims* claims;
  CertificateRegistry& certificates;
  OpenStreams& streams;
  BlobParts& blob_parts;
  BlobTurns& blob_turns;
  // Where those come from that aren't here yet, and whose thread waits for them; null
  // without other schedulers.
  BlobSource* blob_source;
  Executor& blob_fetching;
  RecordBudget& budget;
  Revocations& revocations;
  IssuingCa& ca;
  const Clock& clock;
  std::string fleet_id;
  absl::Duration heartbeat_interval;
};

// Raw messages, so that an envelope that goes to ten thousand agents is
// serialised and kept once. Thread-safe, as gRPC calls it from several threads
// and the dispatcher from others.
class Session final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                      public AgentSession,
                      public RecordBudget::Holder,
                      public BlobTurns::Taker,
                      public std::enable_shared_from_this<Session> {
 public:
  // Lives until gRPC is done with it and no one else holds it. `issuer_key_id`: of the
  // peer's certificate.
  static Session* Start(const GatewayParts& parts, Identity identity, std::string issuer_key_id,
                        grpc::CallbackServerContext* context);

  void Send(OutgoingMessage message) override;
  bool SendAction(const std::string& action_id, OutgoingMessage message, bool again) override;
  void Close(const absl::Status& reason) override;
  void CloseWhenSent(const absl::Status& reason) override;
  void CutOffIfClosed() override;
  void GoOn() override;
  void CutOff(const absl::Status& reason) override;
  bool established() const override;
  absl::Time silent_since() const override;
  void NoteWorth(RecordWorth worth) override;

 private:
  Session(const GatewayParts& parts, Identity identity, std::string issuer_key_id,
          grpc::CallbackServerContext* context)
      : parts_(parts),
        identity_(std::move(identity)),
        issuer_key_id_(std::move(issuer_key_id)),
        context_(context) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  // The budget lets it go on with what it waited for.
  void Resume() override;
  void TurnCame() override;

  absl::Status HandleIncoming();
  // A record that waits for room in the budget, if there is none.
  absl::Status Keep(grpc::Slice serialised, size_t cost);
  // Parses and handles a record that the budget has room for.
  void HandleKept();
  // `cost` above 0: that of a record.
  void HandleAndReadOn(const grpc::Slice& serialised, size_t cost);
  // A message came from an agent that said Hello: it is there.
  void NoteHeard();
  // Not OK ends the session. `cost` is what the budget holds for the message:
  // 0 afterwards if that was passed on with a record.
  absl::Status Handle(v1::AgentMessage message, size_t* cost);
  // One that makes as much work as `weight` others.
  absl::Status TakeLightMessage(double weight = 1);
  bool WasSent(const std::string& action_id);
  absl::Status HandleHello(const v1::Hello& hello);
  // Among schedulers: the store says that this is the agent's session now, or not.
  void OnClaimed(const v1::Hello& hello, const absl::StatusOr<Claimed>& claimed);
  absl::Status Attach(const v1::Hello& hello, uint64_t epoch);
  void SendWelcome(absl::Time now);
  absl::Status HandleRecord(v1::ResultRecord record, size_t* cost);
  absl::Status HandleBlobRequest(const v1::BlobRequest& request);
  void AnswerBlobRequest();
  // An agent takes an empty answer as the last word: what another scheduler has is fetched
  // from there first.
  void FetchAndAnswer(const v1::BlobRequest& request);
  void AnswerWithPart(const v1::BlobRequest& request);
  void AskToRenewIfOutdated();
  void OnRecordDone(const v1::RecordKey& key, size_t cost, const absl::Status& status);
  void NotStored(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);

  void QueueLocked(OutgoingMessage message, bool acknowledgement = false)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // So that the agent knows that it is heard, when there is nothing else to say.
  void SayAliveIfDue() ABSL_LOCKS_EXCLUDED(mutex_);
  // While it is being claimed, OnClaimed ends it: so that OnDone comes after that.
  void FinishLocked(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After CloseWhenSent, when nothing is left to be written.
  void FinishIfSentLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool closing() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool finished() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Reads on, unless too many records or acknowledgements wait; then OnRecordDone,
  // OnWriteDone, GoOn or Resume does. Before Hello at once: it isn't to wait for others'
  // records, and no record is kept.
  void ReadOn();
  // It had paused and needn't any more: the caller reads on.
  bool TakeUpReadingLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartReading();
  void EndWith(const absl::Status& reason);

  const GatewayParts& parts_;
  const Identity identity_;
  const std::string issuer_key_id_;
  // Keeps this alive until OnDone.
  std::shared_ptr<Session> self_;

  // Touched between StartRead and OnReadDone only by gRPC.
  grpc::ByteBuffer incoming_;
  // A record that the budget has to let in, and what it takes there. Of
  // whoever goes on with this session: gRPC, or the budget by Resume.
  std::optional<grpc::Slice> kept_;
  size_t kept_cost_ = 0;
  bool said_hello_ = false;
  absl::Time noted_heard_ = absl::InfinitePast();
  // A leaky bucket of messages that aren't records, on SteadyNow's scale.
  double light_messages_ = 0;
  absl::Time light_since_;
  DropLimit drops_;

  // Since when it is the agent that says nothing, in microseconds since 1970;
  // kNotSilent while it is this side that doesn't read.
  static constexpr int64_t kNotSilent = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> silent_since_ = kNotSilent;

  mutable absl::Mutex mutex_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // From Hello until OnClaimed is through; and why it ends after that.
  bool claiming_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status finish_with_ ABSL_GUARDED_BY(mutex_);
  // Of the claim; 0: none.
  StoredSession claim_ ABSL_GUARDED_BY(mutex_);
  // Why it ends once all is written; and for how many seconds that has taken.
  std::optional<absl::Status> closing_ ABSL_GUARDED_BY(mutex_);
  int closing_for_ ABSL_GUARDED_BY(mutex_) = 0;
  // How often CutOffIfClosed found it so.
  int closed_for_ ABSL_GUARDED_BY(mutex_) = 0;
  // Seconds without a Hello.
  int silent_for_ ABSL_GUARDED_BY(mutex_) = 0;
  // Until then nothing is written: Welcome is the first message.
  bool welcomed_ ABSL_GUARDED_BY(mutex_) = false;
  // Once in a session: it tries on by itself.
  bool asked_to_renew_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // When the last message was, on SteadyNow's scale.
  absl::Time wrote_ ABSL_GUARDED_BY(mutex_);
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  size_t records_under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of outgoing_. An agent that keeps its window leaves no more of them unread
  // than that has.
  size_t acknowledgements_ ABSL_GUARDED_BY(mutex_) = 0;
  // The answer to a blob request that waits to be written: one at a time.
  std::optional<v1::BlobRequest> blob_request_ ABSL_GUARDED_BY(mutex_);
  OutgoingMessage blob_part_ ABSL_GUARDED_BY(mutex_);
  bool writes_blob_part_ ABSL_GUARDED_BY(mutex_) = false;
  // The last answer was less than a whole part.
  bool short_blob_part_ ABSL_GUARDED_BY(mutex_) = false;
  struct Outgoing {
    OutgoingMessage message;
    bool acknowledgement;
  };
  std::deque<Outgoing> outgoing_ ABSL_GUARDED_BY(mutex_);
  grpc::ByteBuffer written_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> sent_actions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
