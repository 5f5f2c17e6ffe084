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

struct Trouble {
  std::string_view words;
  std::string_view means;
  // Add what this host's clock says: it could be the reason.
  bool clock = false;
};

// The words of gRPC 1.51 and OpenSSL 3.0 for what goes wrong before a call
// reaches the scheduler; the first that fits.
constexpr Trouble kTroubles[] = {
    {"Connection refused", "connection refused; is the scheduler running there?"},
    {"DNS resolution failed", "its name does not resolve"},
    {"wrong version number", "it does not speak TLS; is it a scheduler?"},
    {"is not in peer certificate", "its certificate is for another name"},
    {"SSL_ERROR_SSL",
     "its certificate does not verify: it is from another CA or expired, or this host's clock is "
     "off",
     true},
    // A client's certificate that isn't taken shows as no more than this.
    {"last error: UNAVAILABLE",
     "it closed the connection during the TLS handshake; it does not take this host's certificate "
     "(of another fleet?), or one of the clocks is off",
     true},
    {"Ping timeout", "the connection leads nowhere"},
    {"keepalive watchdog", "the connection leads nowhere"},
    {"Connection timed out", "no answer"},
    {"Network is unreachable", "the network does not lead there"},
    {"No route to host", "the network does not lead there"},
    {"Socket closed", "the connection was closed"},
    {"Connection reset", "the connection was closed"},
    {"GOAWAY", "the connection was closed"},
};

std::string ConnectionTrouble(std::string_view words, absl::Time now) {
  for (const Trouble& trouble : kTroubles) {
    if (words.find(trouble.words) == std::string_view::npos) continue;
    if (!trouble.clock) return std::string(trouble.means);
    return StrCat(trouble.means, " (this host's says ", Clock(now), ")");
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
      default:
        return "enrolment was refused";
    }
  }
  switch (code) {
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return "this host's certificate was refused (revoked?)";
    case absl::StatusCode::kDeadlineExceeded:
      return "no answer in time";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
      return "";
    case absl::StatusCode::kUnimplemented:
      return "it does not serve agents; is it a scheduler?";
    default:
      return attempt == Attempt::kRenewal ? "renewal was refused" : "the session ended";
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
