#include "agent/link/reason.h"

#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr size_t kMaxReasonBytes = 500;
constexpr size_t kMaxQuotedBytes = 250;

std::string Clock(absl::Time now) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone());
}

// gRPC's and OpenSSL's words for what goes wrong before a call reaches the
// scheduler, in gRPC 1.51 with OpenSSL 3.0.
std::string ConnectionTrouble(std::string_view words, absl::Time now) {
  auto said = [&](std::string_view text) { return words.find(text) != std::string_view::npos; };
  if (said("Connection refused")) return "connection refused; is the scheduler running there?";
  if (said("DNS resolution failed") || said("Domain name not found") || said("C-ares status")) {
    return "its name does not resolve";
  }
  if (said("certificate verify failed") || said("CERTIFICATE_VERIFY_FAILED") ||
      said("Peer name") || said("Hostname Verification")) {
    return StrCat("its certificate does not verify: it is for another name, from another CA, or "
                  "expired, or this host's clock is off (it says ",
                  Clock(now), ")");
  }
  if (said("certificate expired") || said("CERTIFICATE_EXPIRED")) {
    return StrCat("it says that this host's certificate is expired; is one of the clocks off? "
                  "(this host's says ",
                  Clock(now), ")");
  }
  if (said("certificate revoked") || said("CERTIFICATE_REVOKED")) {
    return "it says that this host's certificate is revoked; enrol it again with a new token";
  }
  if (said("unknown ca") || said("UNKNOWN_CA") || said("bad certificate")) {
    return "it does not know this host's certificate; is it of another fleet?";
  }
  if (said("handshake")) return "TLS does not come about; is it a scheduler?";
  if (said("timed out") || said("Timeout") || said("timeout")) return "no answer";
  if (said("unreachable") || said("No route to host")) return "the network does not lead there";
  if (said("Ping timeout") || said("keepalive watchdog")) return "the connection leads nowhere";
  if (said("Socket closed") || said("Connection reset") || said("GOAWAY") || said("Broken pipe")) {
    return "the connection was closed";
  }
  return "";
}

// By what the scheduler answered.
std::string Refusal(Attempt attempt, absl::StatusCode code) {
  if (attempt == Attempt::kEnrolment) {
    switch (code) {
      case absl::StatusCode::kUnauthenticated:
        return "the enrolment token is unknown, expired or used up; get a new one";
      case absl::StatusCode::kAlreadyExists:
        return "another key holds this agent id; remove the agent from the fleet, or its state "
               "directory here";
      default: return "enrolment was refused";
    }
  }
  switch (code) {
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return "this host's certificate was refused (revoked?)";
    case absl::StatusCode::kDeadlineExceeded: return "no answer in time";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled: return "";
    case absl::StatusCode::kUnimplemented: return "it does not serve agents; is it a scheduler?";
    default: return attempt == Attempt::kRenewal ? "renewal was refused" : "the session ended";
  }
}

}  // namespace

std::string PlainReason(Attempt attempt, std::string_view scheduler, const absl::Status& status,
                        absl::Time now) {
  std::string_view words = ToStd(status.message());
  std::string quoted = ForTerminal(Shorten(words, kMaxQuotedBytes));
  std::string plain;
  if (absl::IsUnavailable(status)) plain = ConnectionTrouble(words, now);
  const bool understood = !plain.empty();
  if (plain.empty()) plain = Refusal(attempt, status.code());
  // The connection's own words add nothing to ours; the scheduler's may.
  if (plain.empty()) {
    plain = quoted;
  } else if (!understood && !quoted.empty()) {
    plain += StrCat(": ", quoted);
  }
  return Shorten(StrCat("scheduler ", scheduler, ": ", plain), kMaxReasonBytes);
}

}  // namespace dragnet
