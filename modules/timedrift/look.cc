#include "modules/timedrift/look.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/ping/probe.h"
#include "modules/timedrift/chrony.h"
#include "modules/timedrift/exchange.h"
#include "modules/timedrift/ntp.h"

namespace dragnet::timedrift {
namespace {

// Chrony answers at once or isn't there.
constexpr absl::Duration kChronyTimeout = absl::Seconds(1);

void SetTime(absl::Time time, google::protobuf::Timestamp* timestamp) {
  // Protobuf's are of the years 1 to 9999.
  time = std::clamp(time, absl::FromUnixSeconds(-62135596800), absl::FromUnixSeconds(253402300799));
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

v1::TimedriftRow NewRow(std::string_view source, absl::Time local) {
  v1::TimedriftRow row;
  row.set_source(std::string(source));
  row.set_verdict("unknown");
  SetTime(local, row.mutable_local_time());
  return row;
}

void SetOffset(absl::Duration offset, const Plan& plan, v1::TimedriftRow& row) {
  row.set_offset_ms(absl::ToDoubleMilliseconds(offset));
  row.set_verdict(absl::AbsDuration(offset) <= plan.max_drift ? "within" : "over");
  row.set_status("ok");
}

void SetFailure(std::string_view status, std::string_view error, v1::TimedriftRow& row) {
  row.set_status(std::string(status));
  row.set_error(std::string(error));
}

uint64_t RandomNumber() {
  uint64_t number = 0;
  // Of so few bytes it never comes up short, and an older kernel's failure is noticed
  // by nothing but a predictable question.
  if (getrandom(&number, sizeof number, 0) != sizeof number)
    number = static_cast<uint64_t>(absl::GetCurrentTimeNanos());
  return number;
}

void SetAnswer(const NtpAnswer& answer, const Plan& plan, v1::TimedriftRow& row) {
  if (answer.verdict == NtpAnswer::Verdict::kBad)
    return SetFailure("bad_answer", answer.reason, row);
  row.set_stratum(answer.stratum);
  row.set_leap(std::string(LeapName(answer.leap)));
  row.set_reference_id(answer.reference_id);
  row.set_root_delay_ms(absl::ToDoubleMilliseconds(answer.root_delay));
  row.set_root_dispersion_ms(absl::ToDoubleMilliseconds(answer.root_dispersion));
  if (answer.verdict == NtpAnswer::Verdict::kKissOfDeath)
    return SetFailure("kiss_of_death", answer.reason, row);
  if (answer.verdict == NtpAnswer::Verdict::kUnsynchronized)
    return SetFailure("unsynchronized", answer.reason, row);
  SetOffset(answer.offset, plan, row);
  row.set_delay_ms(absl::ToDoubleMilliseconds(answer.delay));
}

}  // namespace

v1::TimedriftRow AskServer(const std::string& server, const Plan& plan) {
  v1::TimedriftRow row = NewRow("ntp", absl::Now());
  row.set_server(server);
  const auto parsed = ping::ParseHostAndPort(server, kNtpPort);
  if (!parsed.ok()) {
    SetFailure("error", ToStd(parsed.status().message()), row);
    return row;
  }
  const auto endpoints = ping::Resolve(parsed->host, parsed->port, AF_UNSPEC);
  if (!endpoints.ok()) {
    const auto status = absl::IsNotFound(endpoints.status()) ? ping::PingStatus::kNameNotFound
                                                             : ping::PingStatus::kNameLookupFailed;
    SetFailure(ping::StatusName(status), ToStd(endpoints.status().message()), row);
    return row;
  }
  const ping::Endpoint& endpoint = endpoints->front();
  row.set_address(endpoint.Text());
  const uint64_t nonce = RandomNumber();
  const Exchange exchange =
      Ask(endpoint, MakeQuestion(nonce), plan.timeout, [&](std::string_view packet) {
        // Sent by somebody else in the server's name: the real one may still come.
        return ReadAnswer(packet, nonce, absl::Now(), absl::ZeroDuration()).verdict !=
                   NtpAnswer::Verdict::kBad ||
               (packet.size() >= kNtpPacket &&
                packet.substr(24, 8) == MakeQuestion(nonce).substr(40));
      });
  if (exchange.error != 0) {
    SetFailure(ping::StatusName(ping::StatusOfErrno(exchange.error)),
               ping::ErrorWords(exchange.error), row);
    return row;
  }
  SetTime(exchange.sent, row.mutable_local_time());
  SetAnswer(ReadAnswer(exchange.answer, nonce, exchange.sent, exchange.travelled), plan, row);
  return row;
}

std::optional<v1::TimedriftRow> AskChrony(const ping::Endpoint& endpoint, const Plan& plan) {
  const auto sequence = static_cast<uint32_t>(RandomNumber());
  const Exchange exchange =
      Ask(endpoint, MakeTrackingQuestion(sequence), std::min(plan.timeout, kChronyTimeout),
          [&](std::string_view packet) { return ReadTracking(packet, sequence).has_value(); });
  if (exchange.error != 0) return std::nullopt;
  v1::TimedriftRow row = NewRow("chrony", exchange.sent);
  const auto tracking = ReadTracking(exchange.answer, sequence);
  if (!tracking) {
    SetFailure("bad_answer", "not chrony's tracking report of protocol version 6", row);
    return row;
  }
  row.set_server(tracking->server);
  row.set_stratum(tracking->stratum);
  row.set_leap(std::string(LeapName(tracking->leap)));
  row.set_reference_id(tracking->reference_id);
  if (tracking->leap == 3 || tracking->stratum == 0) {
    SetFailure("unsynchronized", "chrony is not synchronised", row);
    return row;
  }
  SetOffset(tracking->offset, plan, row);
  row.set_root_delay_ms(absl::ToDoubleMilliseconds(tracking->root_delay));
  row.set_root_dispersion_ms(absl::ToDoubleMilliseconds(tracking->root_dispersion));
  SetTime(tracking->last_sync, row.mutable_last_sync());
  return row;
}

std::optional<v1::TimedriftRow> LookAtTimesyncd(const std::string& run_mark,
                                                const std::string& state_mark) {
  struct stat info;
  const bool synchronized = lstat(run_mark.c_str(), &info) == 0;
  if (!synchronized && lstat(state_mark.c_str(), &info) != 0) return std::nullopt;
  v1::TimedriftRow row = NewRow("timesyncd", absl::Now());
  SetTime(absl::TimeFromTimespec(info.st_mtim), row.mutable_last_sync());
  if (synchronized) {
    row.set_status("ok");
  } else {
    SetFailure("unsynchronized", "not synchronised since the host was started", row);
  }
  return row;
}

v1::TimedriftRow LocalClock() {
  v1::TimedriftRow row = NewRow("clock", absl::Now());
  row.set_status("ok");
  return row;
}

}  // namespace dragnet::timedrift
