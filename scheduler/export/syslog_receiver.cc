// Syslog over TLS has no acknowledgements. What it has is an end of the connection
// that both sides say (RFC 5425, section 4.4), and TLS keeps the order: a receiver
// that answers our closure alert has read all before it. So a batch is a connection.
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/export/receiver.h"
#include "scheduler/export/syslog_message.h"
#include "scheduler/export/tls_connection.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kConnect = absl::Seconds(10);
constexpr absl::Duration kWrite = absl::Seconds(20);
constexpr absl::Duration kClose = absl::Seconds(20);
// Frames are put together to so much before they are sent.
constexpr size_t kSendBytes = 16 * 1024;

class SyslogReceiver : public Receiver {
 public:
  SyslogReceiver(const ExportSettings& settings, SslContextPtr context)
      : settings_(settings), context_(std::move(context)) {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) == 0) host_ = name;
  }

  absl::Status Deliver(const std::vector<std::string>& events,
                       const std::atomic<bool>& stop) override {
    DRAGNET_ASSIGN_OR_RETURN(
        TlsConnection connection,
        TlsConnection::Connect(
            context_.get(), settings_.host, settings_.port,
            {.connect = kConnect, .write = kWrite, .close = kClose, .stop = stop}));
    std::string frames;
    for (const std::string& event : events) {
      frames.append(SyslogFrame(host_, absl::Now(), event));
      if (frames.size() < kSendBytes) continue;
      DRAGNET_RETURN_IF_ERROR(connection.Write(frames));
      frames.clear();
    }
    DRAGNET_RETURN_IF_ERROR(connection.Write(frames));
    return connection.Close(settings_.accept_plain_close);
  }

  std::string address() const override { return StrCat(settings_.host, ":", settings_.port); }

 private:
  const ExportSettings settings_;
  const SslContextPtr context_;
  std::string host_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Receiver>> NewSyslogReceiver(const ExportSettings& settings) {
  DRAGNET_ASSIGN_OR_RETURN(
      SslContextPtr context,
      NewTlsClientContext(
          {.ca = settings.ca, .certificate = settings.certificate, .key = settings.key}));
  return std::make_unique<SyslogReceiver>(settings, std::move(context));
}

absl::StatusOr<std::unique_ptr<Receiver>> NewReceiver(const ExportSettings& settings) {
  absl::StatusOr<std::unique_ptr<Receiver>> receiver =
      settings.kind == ExportSettings::Kind::kSyslog ? NewSyslogReceiver(settings)
                                                     : NewWebhookReceiver(settings);
  if (receiver.ok()) return receiver;
  return Annotate(receiver.status(), StrCat("export ", settings.name));
}

}  // namespace dragnet::scheduler
