// libnats as the bus uses it: what it hands out is owned, its status codes are
// absl::Status, and nothing of ours is called any more once the owner has gone.
//
// Thread-safe, but destroy a subscription and close the connection from none of their own
// callbacks.
#pragma once

#include <nats/nats.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/bus/nats_options.h"

namespace dragnet::scheduler {

// With a code that fits: Unavailable for whatever may be over soon. `what` is what was
// tried; `js_code` says it more exactly if the server did.
absl::Status NatsError(std::string_view what, natsStatus status, jsErrCode js_code = {});

struct NatsDeleter {
  void operator()(natsMsg* message) const { natsMsg_Destroy(message); }
  void operator()(natsOptions* options) const { natsOptions_Destroy(options); }
  // Not while its connection lives: NatsConnection::Retire.
  void operator()(natsSubscription* subscription) const { natsSubscription_Destroy(subscription); }
  void operator()(jsCtx* context) const { jsCtx_Destroy(context); }
  void operator()(jsStreamInfo* info) const { jsStreamInfo_Destroy(info); }
  void operator()(jsConsumerInfo* info) const { jsConsumerInfo_Destroy(info); }
};
template <typename T>
using NatsPtr = std::unique_ptr<T, NatsDeleter>;
using NatsMessage = NatsPtr<natsMsg>;
using NatsStreamInfo = NatsPtr<jsStreamInfo>;

std::string_view SubjectOf(const NatsMessage& message);
// Empty: none.
std::string_view ReplyOf(const NatsMessage& message);
std::string_view DataOf(const NatsMessage& message);
// What a server says instead of a message ("503", "408"); empty for a message. Anyone can
// send what looks like it, so ask where it came by first.
std::string_view StatusOf(const NatsMessage& message);
std::string_view DescriptionOf(const NatsMessage& message);

class NatsConnection;

struct NatsRetirer {
  NatsConnection* connection = nullptr;
  void operator()(natsSubscription* subscription) const;
};
// For a thread that asks for messages itself, with natsSubscription_NextMsg.
using NatsQueue = std::unique_ptr<natsSubscription, NatsRetirer>;

// Messages of one subject, given to a handler by a thread of its own. Once it is
// destroyed, the handler isn't running and isn't called any more.
class NatsSubscription {
 public:
  using Handler = std::function<void(NatsMessage)>;

  ~NatsSubscription();
  NatsSubscription(const NatsSubscription&) = delete;
  NatsSubscription& operator=(const NatsSubscription&) = delete;

 private:
  friend class NatsConnection;
  explicit NatsSubscription(Handler handler) : handler_(std::move(handler)) {}

  Handler handler_;
  std::promise<void> ended_;
  NatsQueue subscription_;
};

class NatsConnection {
 public:
  // Unavailable, with the servers and the reason, if none can be reached now.
  static absl::StatusOr<std::unique_ptr<NatsConnection>> Connect(const NatsOptions& options);
  ~NatsConnection();
  NatsConnection(const NatsConnection&) = delete;
  NatsConnection& operator=(const NatsConnection&) = delete;

  // For good: whatever is tried from then on fails. Returns when neither handler of the
  // connection runs any more.
  void Close();

  // Once. From the library's thread.
  void OnReconnected(std::function<void()> handler);
  // Why it can't be reached. Doesn't block, as the library's own calls may while it tries
  // to connect: so ask this first.
  absl::Status state() const;

  struct Outgoing {
    std::string_view subject;
    std::string_view data;
    // Where answers go; empty: nowhere.
    std::string_view reply = {};
  };
  // May wait for the socket, for a bounded time.
  absl::Status Publish(const Outgoing& message);
  absl::StatusOr<NatsMessage> Request(const Outgoing& message, absl::Duration timeout);

  absl::StatusOr<std::unique_ptr<NatsSubscription>> Subscribe(const std::string& subject,
                                                              NatsSubscription::Handler handler);
  // Not beyond the connection's life.
  absl::StatusOr<NatsQueue> SubscribeSync(const std::string& subject);
  // Ends a subscription at once, and frees it later: libnats before 3.6 looks a message's
  // subscription up and uses it without holding it, so that one that is freed at that moment
  // ends the process (nats.c issue 637).
  void Retire(natsSubscription* subscription);
  // Returns when the server has read all that was sent before.
  absl::Status Flush();
  // A subject that no one else knows, below the options' own inbox.
  std::string NewInbox() const;
  // How often the connection was lost: what was on its way then may have been lost too.
  uint64_t losses() const { return losses_; }

  int64_t max_payload() const;
  const std::string& servers() const { return servers_; }
  jsCtx* js() const { return js_.get(); }
  natsConnection* get() const { return connection_; }

 private:
  NatsConnection(std::string servers, const NatsOptions& options);

  static void Disconnected(natsConnection*, void* self);
  static void Reconnected(natsConnection*, void* self);
  static void Closed(natsConnection*, void* self);
  static void Failed(natsConnection*, natsSubscription*, natsStatus status, void* self);

  const std::string servers_;
  const std::string inbox_;
  const std::function<void(const absl::Status&)> on_closed_;
  std::atomic<uint64_t> losses_ = 0;
  natsConnection* connection_ = nullptr;
  NatsPtr<jsCtx> js_;
  std::promise<void> closed_;
  std::once_flag close_once_;

  mutable std::mutex mutex_;
  absl::Status state_;
  std::function<void()> on_reconnected_;
  struct Retired {
    absl::Time since;
    NatsPtr<natsSubscription> subscription;
  };
  std::deque<Retired> retired_;
};

}  // namespace dragnet::scheduler
