// One TLS connection with one gRPC call on it: what a simulated agent has
// instead of a gRPC channel, at a fifth of its memory. HTTP/2 is nghttp2's,
// TLS 1.3 is OpenSSL's; the socket is non-blocking and an event loop's.
//
// Nothing here is thread-safe: a call, its owner and its loop are one thread's.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/unique_fd.h"

struct nghttp2_session;

namespace dragnet::load {

class EventLoop;

// Who an agent is to the scheduler. Null and empty for a call without a
// certificate. The key is kept parsed: OpenSSL 3 takes longer to parse one than
// to sign with it.
struct TlsIdentity {
  EVP_PKEY* private_key = nullptr;
  // DER.
  std::string_view certificate;
};

// What all calls of a swarm share.
class Transport {
 public:
  // `address`: host:port. Refused unless it is a loopback address: this is a
  // load generator, and must not be pointed at anyone else's machine.
  static absl::StatusOr<std::unique_ptr<Transport>> Create(const std::string& address,
                                                           const std::string& ca_pem);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

 private:
  friend class GrpcCall;
  Transport() = default;
  std::string address_;
  std::string host_;
  bool is_ip_ = false;
  std::string socket_address_;
  SSL_CTX* tls_ = nullptr;
  X509* ca_ = nullptr;
  // DER of the scheduler's certificate that was found good before.
  std::string known_peer_;

  static int VerifyPeer(X509_STORE_CTX* context, void* transport);
};

// How a call ended. `what` is short and without numbers of its own, so that it
// can be counted by: "connect: Connection refused", "call: UNAVAILABLE: …".
struct CallEnd {
  bool ok = false;
  std::string what;
};

class GrpcCall {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The next message to send, or false: then SendMore() asks again.
    virtual bool NextMessage(std::string* message) = 0;
    // The peer's; the bytes are gone afterwards.
    virtual void OnMessage(std::string_view message) = 0;
    // Last thing that is heard of the call. It may be destroyed now.
    virtual void OnEnd(const CallEnd& end) = 0;
    // A TLS session to resume the next connection with, as DER.
    virtual void OnTlsSession(std::string session) = 0;
  };

  // Sets out to connect. The owner is called from the loop only, never from
  // here. `resume`: a session of OnTlsSession, or empty. `one_message`: a unary
  // call, which sends one message and waits.
  GrpcCall(EventLoop& loop, const Transport& transport, const TlsIdentity& identity,
           std::string_view method, const std::string& resume, bool one_message, Owner& owner);
  ~GrpcCall();
  GrpcCall(const GrpcCall&) = delete;
  GrpcCall& operator=(const GrpcCall&) = delete;

  // NextMessage may have something. Costs next to nothing when it hasn't.
  void SendMore();
  // Ends it from this side, from anywhere but a destructor.
  void Fail(std::string_view what);
  // An HTTP/2 PING; the answer counts as something that was read.
  void Ping();
  // A slow reader: what comes stays in the socket.
  void SetReading(bool reading);
  // A black hole: neither reads nor writes from now on, and doesn't close.
  void SetFrozen(bool frozen);

  // TLS handshake done.
  bool established() const { return stage_ == Stage::kOpen; }
  // The owner has heard of its end, or is about to.
  bool ended() const { return end_.has_value(); }
  bool resumed() const;
  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  friend class EventLoop;
  friend struct Http2Callbacks;
  enum class Stage { kConnecting, kHandshake, kOpen, kEnded };

  // For the loop.
  void OnEvents(uint32_t events);
  void Advance();

  absl::Status Open(const Transport& transport, const TlsIdentity& identity,
                    const std::string& resume);
  void ContinueHandshake();
  void StartCall();
  void ReadAll();
  void WriteAll();
  bool Write(std::string_view bytes);
  void Watch();
  void TakeData(std::string_view data);
  void NoteEnd(bool ok, std::string what);
  void TellOwner();

  EventLoop& loop_;
  Owner& owner_;
  const Transport& transport_;
  const std::string method_;
  const bool one_message_;
  UniqueFd socket_;
  SSL* tls_ = nullptr;
  nghttp2_session* http2_ = nullptr;
  int32_t stream_ = -1;
  Stage stage_ = Stage::kConnecting;
  uint32_t watched_ = 0;
  bool reading_ = true;
  bool frozen_ = false;
  bool deferred_ = false;
  bool sent_one_ = false;
  bool queued_ = false;
  bool wants_write_ = false;
  std::optional<CallEnd> end_;
  // What TLS didn't take yet.
  std::string unsent_;
  // The message that HTTP/2 is taking, with its prefix.
  std::string outgoing_;
  size_t outgoing_taken_ = 0;
  std::string incoming_;
  std::string grpc_status_;
  std::string grpc_message_;
  std::string http_status_;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_written_ = 0;
};

}  // namespace dragnet::load
