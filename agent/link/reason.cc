#include "agent/link/reason.h"

#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr size_t kMaxReasonBytes = 500;
constexpr size_t kMaxQuotedBytes = 250;
// The scheduler's words (scheduler/enrolment). Who says so falsely makes this host wait for
// two minutes at most.
constexpr std::string_view kYetToBeLetIn = "an operator has yet to let this host in";

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

// The same where a proxy is between: what goes wrong before TLS is the proxy's.
constexpr Trouble kProxyTroubles[] = {
    {"response code 407", "the proxy wants another user and password"},
    {"response code 403", "the proxy does not let it through to the scheduler"},
    {"response code 502", "the proxy can not reach the scheduler"},
    {"response code 503", "the proxy can not reach the scheduler"},
    {"response code 504", "the proxy got no answer from the scheduler"},
    {"HTTP proxy returned response code", "the proxy does not connect it to the scheduler"},
    {"Expected 'H'", "it does not speak HTTP; is it a proxy?"},
    {"Expected 'T'", "it does not speak HTTP; is it a proxy?"},
    {"Expected HTTP", "it does not speak HTTP; is it a proxy?"},
    {"Expected status code", "it does not speak HTTP; is it a proxy?"},
    {"Didn't find ':'", "it does not speak HTTP; is it a proxy?"},
    {"HTTP header", "the proxy's answer is too long"},
    {"FD Shutdown", "no answer from the proxy, or from the scheduler behind it"},
    {"Handshake timed out", "no answer from the proxy, or from the scheduler behind it"},
    {"Socket closed", "the proxy, or the scheduler behind it, closed the connection"},
    {"Did not finish headers", "the proxy, or the scheduler behind it, closed the connection"},
    {"Connection refused", "the proxy's port is closed"},
    {"DNS resolution failed", "the proxy's name does not resolve"},
};

std::string ProxyTrouble(std::string_view words) {
  for (const Trouble& trouble : kProxyTroubles) {
    if (words.find(trouble.words) != std::string_view::npos) return std::string(trouble.means);
  }
  return "";
}

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
        return "the enrolment token is unknown, expired, revoked or used up; get a new one";
      case absl::StatusCode::kPermissionDenied:
        return "this host is not let in; it asks again in an hour or so, or when the agent is "
               "restarted";
      case absl::StatusCode::kUnavailable:
        return "";
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

bool WaitsForOperator(const absl::Status& status) {
  return absl::IsUnavailable(status) &&
         ToStd(status.message()).find(kYetToBeLetIn) != std::string_view::npos;
}

std::string PlainReason(Attempt attempt, std::string_view scheduler, const absl::Status& status,
                        absl::Time now, std::string_view proxy) {
  std::string_view words = ToStd(status.message());
  std::string quoted = ForTerminal(Shorten(words, kMaxQuotedBytes));
  std::string plain;
  if (absl::IsUnavailable(status) && !WaitsForOperator(status)) {
    if (!proxy.empty()) plain = ProxyTrouble(words);
    if (plain.empty()) plain = ConnectionTrouble(words, now);
  }
  const bool understood = !plain.empty();
  if (plain.empty()) plain = Refusal(attempt, status.code());
  // The connection's own words add nothing to ours; the scheduler's may.
  if (plain.empty()) {
    plain = quoted;
  } else if (!understood && !quoted.empty()) {
    plain += StrCat(": ", quoted);
  }
  const std::string through = proxy.empty() ? "" : StrCat(" through proxy ", proxy);
  return Shorten(StrCat("scheduler ", scheduler, through, ": ", plain), kMaxReasonBytes);
}

}  // namespace dragnet
