#include "tests/load/grpc_call.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/file_io.h"
#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "tests/load/event_loop.h"

namespace dragnet::load {
namespace {

// Of one turn of the loop, so that one call can't keep the others waiting.
constexpr size_t kReadPerTurn = 256 * 1024;
constexpr size_t kWritePerTurn = 256 * 1024;
constexpr size_t kMaxMessage = 4 * 1024 * 1024;
// A TLS record.
constexpr size_t kRecord = 16 * 1024;

const char* const kStatusNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

std::string StatusName(const std::string& number) {
  size_t code = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), code);
  if (number.empty() || error != std::errc() || code >= std::size(kStatusNames)) return "no status";
  return kStatusNames[code];
}

// Ends are counted by what they say: whose it was must not be in it.
std::string WithoutIds(std::string text) {
  constexpr size_t kUuid = 36;
  for (size_t at = 0; at + kUuid <= text.size(); ++at)
    if (IsUuid(std::string_view(text).substr(at, kUuid))) text.replace(at, kUuid, "ID");
  return text;
}

std::string TlsErrorText() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? "closed" : reason;
}

absl::Status TlsFailure(std::string_view what) {
  return absl::InternalError(StrCat(what, ": ", TlsErrorText()));
}

nghttp2_nv Header(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_INDEX};
}

// TLS 1.3 sessions come after the handshake, by this callback.
int TakeTlsSession(SSL* tls, SSL_SESSION* session);

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> Transport::Create(const std::string& address,
                                                             const std::string& ca_pem) {
  const size_t colon = address.rfind(':');
  uint16_t port = 0;
  if (colon != std::string::npos)
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  if (port == 0)
    return absl::InvalidArgumentError(StrCat("scheduler '", address, "': expected host:port"));
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);

  std::unique_ptr<Transport> transport(new Transport);
  transport->address_ = address;
  transport->host_ = host;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const std::string numeric = host == "localhost" ? "127.0.0.1" : host;
  transport->is_ip_ = numeric == host;
  if (::inet_pton(AF_INET, numeric.c_str(), &v4.sin_addr) == 1 &&
      (ntohl(v4.sin_addr.s_addr) >> 24) == 127) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    transport->socket_address_.assign(reinterpret_cast<const char*>(&v4), sizeof v4);
  } else if (::inet_pton(AF_INET6, numeric.c_str(), &v6.sin6_addr) == 1 &&
             IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    transport->socket_address_.assign(reinterpret_cast<const char*>(&v6), sizeof v6);
  } else {
    return absl::PermissionDeniedError(
        StrCat("scheduler '", address,
               "': not a loopback address (127.0.0.0/8, ::1, localhost); this is a load generator"
               " and speaks to its own machine only"));
  }

  BIO* bio = BIO_new_mem_buf(ca_pem.data(), static_cast<int>(ca_pem.size()));
  transport->ca_ = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  if (transport->ca_ == nullptr) return TlsFailure("the fleet's CA certificate");
  SSL_CTX* tls = transport->tls_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
  SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(tls, VerifyPeer, transport.get());
  X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), transport->ca_);
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(tls, TakeTlsSession);
  // A key share that gRPC's servers take at the first try.
  SSL_CTX_set1_groups_list(tls, "P-256:X25519");
  static constexpr unsigned char kProtocols[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(tls, kProtocols, sizeof kProtocols);
  return transport;
}

// The same certificate isn't checked ten thousand times: that is work of ten
// thousand hosts. Whether the peer has its key is checked each time.
int Transport::VerifyPeer(X509_STORE_CTX* context, void* transport) {
  auto& self = *static_cast<Transport*>(transport);
  X509* peer = X509_STORE_CTX_get0_cert(context);
  std::string der(static_cast<size_t>(std::max(0, i2d_X509(peer, nullptr))), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(peer, &out);
  if (!der.empty() && der == self.known_peer_) return 1;
  const int good = X509_verify_cert(context);
  if (good == 1) self.known_peer_ = std::move(der);
  return good;
}

Transport::~Transport() {
  X509_free(ca_);
  SSL_CTX_free(tls_);
}

// nghttp2's callbacks, which get the call as user data.
struct Http2Callbacks {
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                      void* user) {
    GrpcCall& call = *static_cast<GrpcCall*>(user);
    if (frame->hd.stream_id != call.stream_) return 0;
    const std::string_view key(reinterpret_cast<const char*>(name), name_length);
    const std::string_view text(reinterpret_cast<const char*>(value),
                                std::min<size_t>(value_length, 200));
    if (key == ":status") call.http_status_ = text;
    if (key == "grpc-status") call.grpc_status_ = text;
    if (key == "grpc-message") call.grpc_message_ = text;
    return 0;
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t length,
                    void* user) {
    GrpcCall& call = *static_cast<GrpcCall*>(user);
    if (stream == call.stream_) call.TakeData({reinterpret_cast<const char*>(data), length});
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    GrpcCall& call = *static_cast<GrpcCall*>(user);
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
      const std::string_view text(reinterpret_cast<const char*>(frame->goaway.opaque_data),
                                  std::min<size_t>(frame->goaway.opaque_data_len, 100));
      call.NoteEnd(false, StrCat("goaway: ", ForTerminal(text)));
    }
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, int32_t stream, uint32_t error, void* user) {
    GrpcCall& call = *static_cast<GrpcCall*>(user);
    if (stream != call.stream_) return 0;
    if (call.grpc_status_.empty())
      call.NoteEnd(false, call.http_status_ == "200" || call.http_status_.empty()
                              ? StrCat("stream: ", nghttp2_http2_strerror(error))
                              : StrCat("HTTP status ", ForTerminal(call.http_status_)));
    else if (call.grpc_status_ == "0")
      call.NoteEnd(true, "call: OK");
    else
      call.NoteEnd(false, StrCat("call: ", StatusName(call.grpc_status_), ": ",
                                 Shorten(WithoutIds(ForTerminal(call.grpc_message_)), 120)));
    return 0;
  }

  // Gives HTTP/2 what it has room for.
  static ssize_t Read(nghttp2_session*, int32_t, uint8_t* buffer, size_t length, uint32_t* flags,
                      nghttp2_data_source*, void* user) {
    GrpcCall& call = *static_cast<GrpcCall*>(user);
    size_t filled = 0;
    while (filled < length) {
      if (call.outgoing_taken_ == call.outgoing_.size() && !NextOutgoing(call)) break;
      const size_t part = std::min(length - filled, call.outgoing_.size() - call.outgoing_taken_);
      memcpy(buffer + filled, call.outgoing_.data() + call.outgoing_taken_, part);
      call.outgoing_taken_ += part;
      filled += part;
    }
    if (call.one_message_ && call.sent_one_ && call.outgoing_taken_ == call.outgoing_.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(filled);
    }
    if (filled > 0) return static_cast<ssize_t>(filled);
    call.deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }

  // With gRPC's prefix: not compressed, length.
  static bool NextOutgoing(GrpcCall& call) {
    call.outgoing_taken_ = 0;
    call.outgoing_.clear();
    // A large record's buffer isn't kept for a heartbeat's sake.
    if (call.outgoing_.capacity() > 4096) std::string().swap(call.outgoing_);
    if (call.one_message_ && call.sent_one_) return false;
    static std::string message;
    message.clear();
    if (!call.owner_.NextMessage(&message)) return false;
    call.sent_one_ = true;
    const auto size = static_cast<uint32_t>(message.size());
    call.outgoing_.reserve(message.size() + 5);
    for (const uint32_t byte : {0u, size >> 24, size >> 16, size >> 8, size})
      call.outgoing_.push_back(static_cast<char>(byte & 0xff));
    call.outgoing_.append(message);
    return true;
  }

  static const nghttp2_session_callbacks* All() {
    static nghttp2_session_callbacks* const callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_on_header_callback(made, OnHeader);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, OnData);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, OnFrame);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, OnStreamClose);
      return made;
    }();
    return callbacks;
  }

  static const nghttp2_option* Options() {
    static nghttp2_option* const options = [] {
      nghttp2_option* made = nullptr;
      nghttp2_option_new(&made);
      // One call's few headers: a table for them costs more than it saves.
      nghttp2_option_set_max_deflate_dynamic_table_size(made, 0);
      return made;
    }();
    return options;
  }

  static void TakeSession(GrpcCall& call, std::string der) {
    call.owner_.OnTlsSession(std::move(der));
  }
};

namespace {

int TakeTlsSession(SSL* tls, SSL_SESSION* session) {
  auto* call = static_cast<GrpcCall*>(SSL_get_app_data(tls));
  const int length = i2d_SSL_SESSION(session, nullptr);
  if (call == nullptr || length <= 0) return 0;
  std::string der(static_cast<size_t>(length), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_SSL_SESSION(session, &out);
  Http2Callbacks::TakeSession(*call, std::move(der));
  return 0;
}

}  // namespace

GrpcCall::GrpcCall(EventLoop& loop, const Transport& transport, const TlsIdentity& identity,
                   std::string_view method, const std::string& resume, bool one_message,
                   Owner& owner)
    : loop_(loop),
      owner_(owner),
      transport_(transport),
      method_(method),
      one_message_(one_message) {
  const absl::Status status = Open(transport, identity, resume);
  if (!status.ok()) NoteEnd(false, std::string(status.message()));
}

GrpcCall::~GrpcCall() {
  if (queued_) loop_.Remove(*this);
  nghttp2_session_del(http2_);
  if (tls_ != nullptr) SSL_set_app_data(tls_, nullptr);
  SSL_free(tls_);
}

absl::Status GrpcCall::Open(const Transport& transport, const TlsIdentity& identity,
                            const std::string& resume) {
  tls_ = SSL_new(transport.tls_);
  SSL_set_app_data(tls_, this);
  SSL_set_connect_state(tls_);
  if (transport.is_ip_) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_), transport.host_.c_str());
  } else {
    SSL_set_tlsext_host_name(tls_, transport.host_.c_str());
    SSL_set1_host(tls_, transport.host_.c_str());
  }
  if (!identity.certificate.empty()) {
    const bool good = SSL_use_certificate_ASN1(
                          tls_, reinterpret_cast<const unsigned char*>(identity.certificate.data()),
                          static_cast<int>(identity.certificate.size())) == 1 &&
                      SSL_use_PrivateKey(tls_, identity.private_key) == 1 &&
                      SSL_add1_chain_cert(tls_, transport.ca_) == 1;
    if (!good) return TlsFailure("own certificate");
  }
  if (!resume.empty()) {
    const auto* der = reinterpret_cast<const unsigned char*>(resume.data());
    SSL_SESSION* session = d2i_SSL_SESSION(nullptr, &der, static_cast<long>(resume.size()));
    if (session != nullptr) SSL_set_session(tls_, session);
    SSL_SESSION_free(session);
  }

  const auto* address = reinterpret_cast<const sockaddr*>(transport.socket_address_.data());
  socket_.Reset(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket_.get() < 0) return ErrnoStatus("socket", errno);
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket_.get(), address, static_cast<socklen_t>(transport.socket_address_.size())) !=
          0 &&
      errno != EINPROGRESS)
    return ErrnoStatus("connect", errno);
  SSL_set_fd(tls_, socket_.get());
  watched_ = EPOLLOUT;
  loop_.Add(*this, socket_.get(), watched_);
  return absl::OkStatus();
}

void GrpcCall::OnEvents(uint32_t events) {
  if (frozen_ || stage_ == Stage::kEnded) return;
  if (stage_ == Stage::kConnecting) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return NoteEnd(false, StrCat("connect: ", strerror(error)));
    stage_ = Stage::kHandshake;
  }
  if (stage_ == Stage::kHandshake) return ContinueHandshake();
  // A connection that is gone is seen even by one that doesn't read.
  const bool gone = (events & (EPOLLHUP | EPOLLERR)) != 0;
  if (gone || ((events & EPOLLIN) != 0 && reading_)) ReadAll();
  // Answers to what was read, and what there was no room for before.
  if (!queued_) {
    queued_ = true;
    loop_.Queue(*this);
  }
}

void GrpcCall::ContinueHandshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(tls_);
  if (result == 1) {
    // They served; each would be kept for as long as the connection.
    SSL_certs_clear(tls_);
    stage_ = Stage::kOpen;
    return StartCall();
  }
  switch (SSL_get_error(tls_, result)) {
    case SSL_ERROR_WANT_READ:
      wants_write_ = false;
      return Watch();
    case SSL_ERROR_WANT_WRITE:
      wants_write_ = true;
      return Watch();
    case SSL_ERROR_SYSCALL:
      return NoteEnd(false, StrCat("tls: ", errno == 0 ? "closed" : strerror(errno)));
    default:
      return NoteEnd(false, StrCat("tls: ", TlsErrorText()));
  }
}

void GrpcCall::StartCall() {
  nghttp2_session_client_new2(&http2_, Http2Callbacks::All(), this, Http2Callbacks::Options());
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0},
                                             {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  const nghttp2_nv headers[] = {
      Header(":method", "POST"),
      Header(":scheme", "https"),
      Header(":authority", transport_.address_),
      Header(":path", method_),
      Header("content-type", "application/grpc"),
      Header("te", "trailers"),
      Header("user-agent", "dragnet-swarm"),
  };
  nghttp2_data_provider body{};
  body.read_callback = Http2Callbacks::Read;
  stream_ = nghttp2_submit_request(http2_, nullptr, headers, std::size(headers), &body, nullptr);
  wants_write_ = false;
  Watch();
  if (queued_) return;
  queued_ = true;
  loop_.Queue(*this);
}

void GrpcCall::ReadAll() {
  static char buffer[kRecord];
  for (size_t total = 0; total < kReadPerTurn && !end_.has_value();) {
    ERR_clear_error();
    const int count = SSL_read(tls_, buffer, sizeof buffer);
    if (count > 0) {
      total += static_cast<size_t>(count);
      bytes_read_ += static_cast<uint64_t>(count);
      const ssize_t taken = nghttp2_session_mem_recv(
          http2_, reinterpret_cast<const uint8_t*>(buffer), static_cast<size_t>(count));
      if (taken < 0) return NoteEnd(false, StrCat("http2: ", nghttp2_strerror(int(taken))));
      continue;
    }
    switch (SSL_get_error(tls_, count)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return;
      case SSL_ERROR_SYSCALL:
        return NoteEnd(false, StrCat("read: ", errno == 0 ? "closed" : strerror(errno)));
      case SSL_ERROR_ZERO_RETURN:
        return NoteEnd(false, "read: closed");
      default:
        return NoteEnd(false, StrCat("read: ", TlsErrorText()));
    }
  }
}

void GrpcCall::TakeData(std::string_view data) {
  incoming_.append(data);
  size_t begin = 0;
  while (!end_.has_value() && incoming_.size() - begin >= 5) {
    const auto* prefix = reinterpret_cast<const unsigned char*>(incoming_.data() + begin);
    const size_t size = size_t{prefix[1]} << 24 | size_t{prefix[2]} << 16 | size_t{prefix[3]} << 8 |
                        size_t{prefix[4]};
    if (prefix[0] != 0 || size > kMaxMessage) return NoteEnd(false, "a message out of its bounds");
    if (incoming_.size() - begin - 5 < size) break;
    owner_.OnMessage(std::string_view(incoming_).substr(begin + 5, size));
    begin += 5 + size;
  }
  incoming_.erase(0, begin);
  if (incoming_.empty() && incoming_.capacity() > 4096) std::string().swap(incoming_);
}

// Called by the loop, at the end of a turn.
void GrpcCall::Advance() {
  queued_ = false;
  if (frozen_) return;
  if (!end_.has_value() && stage_ == Stage::kOpen) WriteAll();
  if (end_.has_value()) TellOwner();
}

void GrpcCall::WriteAll() {
  static std::string gathered;
  if (!unsent_.empty()) {
    const std::string unsent = std::move(unsent_);
    unsent_.clear();
    if (!Write(unsent)) return;
  }
  for (size_t total = 0; total < kWritePerTurn;) {
    gathered.clear();
    while (gathered.size() < kRecord) {
      const uint8_t* data = nullptr;
      const ssize_t length = nghttp2_session_mem_send(http2_, &data);
      if (length < 0) return NoteEnd(false, StrCat("http2: ", nghttp2_strerror(int(length))));
      if (length == 0) break;
      gathered.append(reinterpret_cast<const char*>(data), static_cast<size_t>(length));
    }
    if (end_.has_value()) return;
    if (gathered.empty()) {
      if (nghttp2_session_want_read(http2_) == 0) NoteEnd(false, "http2: closed");
      wants_write_ = false;
      return Watch();
    }
    total += gathered.size();
    bytes_written_ += gathered.size();
    if (!Write(gathered)) return;
  }
  // More the next time; the others first.
  wants_write_ = true;
  Watch();
}

// True when TLS took all of it; else the rest waits in unsent_.
bool GrpcCall::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    ERR_clear_error();
    const int count = SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
    if (count > 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
      continue;
    }
    const int error = SSL_get_error(tls_, count);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      unsent_.assign(bytes);
      wants_write_ = true;
      Watch();
      return false;
    }
    NoteEnd(false, StrCat("write: ", error == SSL_ERROR_SYSCALL && errno != 0 ? strerror(errno)
                                                                              : TlsErrorText()));
    return false;
  }
  return true;
}

void GrpcCall::Watch() {
  const uint32_t events =
      (reading_ ? uint32_t{EPOLLIN} : 0) | (wants_write_ ? uint32_t{EPOLLOUT} : 0);
  if (events == watched_ || frozen_) return;
  watched_ = events;
  loop_.Change(*this, socket_.get(), events);
}

void GrpcCall::SendMore() {
  if (http2_ == nullptr || end_.has_value()) return;
  if (deferred_) {
    deferred_ = false;
    nghttp2_session_resume_data(http2_, stream_);
  }
  if (queued_) return;
  queued_ = true;
  loop_.Queue(*this);
}

void GrpcCall::Fail(std::string_view what) { NoteEnd(false, std::string(what)); }

void GrpcCall::Ping() {
  if (http2_ == nullptr || end_.has_value()) return;
  nghttp2_submit_ping(http2_, NGHTTP2_FLAG_NONE, nullptr);
  SendMore();
}

void GrpcCall::SetReading(bool reading) {
  reading_ = reading;
  if (stage_ == Stage::kOpen && !end_.has_value()) Watch();
}

void GrpcCall::SetFrozen(bool frozen) {
  if (frozen_ == frozen || end_.has_value()) return;
  frozen_ = frozen;
  // epoll tells of a hang-up whether it is asked for or not.
  if (frozen) return loop_.Drop(socket_.get());
  loop_.Add(*this, socket_.get(), watched_);
  SendMore();
}

bool GrpcCall::resumed() const { return tls_ != nullptr && SSL_session_reused(tls_) == 1; }

void GrpcCall::NoteEnd(bool ok, std::string what) {
  if (end_.has_value()) return;
  end_ = CallEnd{ok, std::move(what)};
  frozen_ = false;
  if (queued_) return;
  queued_ = true;
  loop_.Queue(*this);
}

void GrpcCall::TellOwner() {
  if (stage_ == Stage::kEnded) return;
  stage_ = Stage::kEnded;
  socket_.Reset();
  const CallEnd end = *end_;
  owner_.OnEnd(end);  // may destroy this
}

}  // namespace dragnet::load
