#include "core/action.h"

#include "core/schedule.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/target.h"
#include "core/trust_policy.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

// google/protobuf/timestamp.proto: years 1 to 9999.
constexpr int64_t kMinTimestampSeconds = -62135596800;
constexpr int64_t kMaxTimestampSeconds = 253402300799;

absl::Status Invalid(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat("action ", field, ": ", problem));
}

absl::Status CheckLength(std::string_view field, std::string_view value, size_t max_bytes) {
  if (value.size() > max_bytes) {
    return Invalid(field, StrCat(value.size(), " bytes, at most ", max_bytes));
  }
  return absl::OkStatus();
}

bool IsModuleName(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}

absl::Status ValidateThreat(const v1::Threat& threat) {
  DRAGNET_RETURN_IF_ERROR(CheckLength("threat.level", threat.level(), 64));
  DRAGNET_RETURN_IF_ERROR(CheckLength("threat.family", threat.family(), 64));
  DRAGNET_RETURN_IF_ERROR(CheckLength("threat.type", threat.type(), 64));
  return CheckLength("threat.reference", threat.reference(), 1024);
}

absl::Status ValidateLimits(std::string_view field, const v1::Limits& limits) {
  for (const auto* duration : {&limits.wall_time(), &limits.cpu_time()}) {
    const absl::Duration value = ToDuration(*duration);
    if (value != absl::ZeroDuration() && (value < absl::Seconds(1) || value > absl::Hours(24))) {
      return Invalid(field, "limits.wall_time and cpu_time go from 1s to 24h");
    }
  }
  if (limits.cpu_share_percent() > kMaxCpuSharePercent) {
    return Invalid(field, StrCat("limits.cpu_share_percent goes from 1 to ", kMaxCpuSharePercent));
  }
  return absl::OkStatus();
}

absl::Status ValidateDispatch(const v1::Dispatch& dispatch) {
  if (dispatch.agents_per_second() > kMaxAgentsPerSecond) {
    return Invalid("dispatch.agents_per_second", StrCat("at most ", kMaxAgentsPerSecond));
  }
  if (dispatch.canary_percent() > kMaxCanaryPercent) {
    return Invalid("dispatch.canary_percent", StrCat("at most ", kMaxCanaryPercent));
  }
  if (dispatch.stop_when_failed_percent() > 100) {
    return Invalid("dispatch.stop_when_failed_percent", "at most 100");
  }
  return absl::OkStatus();
}

absl::Status ValidateBlobs(std::string_view field, const v1::Operation& operation) {
  if (operation.blobs_size() > kMaxBlobs) return Invalid(field, StrCat("at most ", kMaxBlobs));
  uint64_t total = 0;
  for (const v1::Blob& blob : operation.blobs()) {
    // To a worker, an input without a field is the parameters themselves: a blob
    // must not take the place of those that the signers read.
    if (blob.field().empty()) return Invalid(StrCat(field, ".field"), "missing");
    DRAGNET_RETURN_IF_ERROR(CheckLength(StrCat(field, ".field"), blob.field(), 256));
    if (blob.sha256().size() != 32) return Invalid(StrCat(field, ".sha256"), "not 32 bytes");
    if (blob.size() == 0 || blob.size() > kMaxBlobBytes) {
      return Invalid(StrCat(field, ".size"), StrCat("1 to ", kMaxBlobBytes, " bytes"));
    }
    total += blob.size();
  }
  if (total > kMaxBlobBytesOfOperation) {
    return Invalid(field, StrCat(total, " bytes together, at most ", kMaxBlobBytesOfOperation));
  }
  return absl::OkStatus();
}

absl::Status ValidateOperation(int index, const v1::Operation& operation) {
  const std::string field = StrCat("operations[", index, "]");
  if (!IsModuleName(operation.module())) {
    return Invalid(StrCat(field, ".module"), "1 to 64 characters of a-z, 0-9 and _");
  }
  DRAGNET_RETURN_IF_ERROR(
      CheckLength(StrCat(field, ".parameters"), operation.parameters(), kMaxParameterBytes));
  DRAGNET_RETURN_IF_ERROR(ValidateBlobs(StrCat(field, ".blobs"), operation));
  return ValidateLimits(field, operation.limits());
}

absl::Status ValidateTimes(const v1::Action& action) {
  if (!action.has_not_before()) return Invalid("not_before", "missing");
  if (!action.has_expires()) return Invalid("expires", "missing");
  const absl::StatusOr<absl::Time> not_before = ToTime(action.not_before());
  const absl::StatusOr<absl::Time> expires = ToTime(action.expires());
  if (!not_before.ok()) return Invalid("not_before", ToStd(not_before.status().message()));
  if (!expires.ok()) return Invalid("expires", ToStd(expires.status().message()));
  if (*expires <= *not_before) return Invalid("expires", "not after not_before");
  if (*expires - *not_before > kMaxActionLifetime) {
    return Invalid("expires", "more than 366 days after not_before");
  }
  return absl::OkStatus();
}

absl::Status ValidateRecurrence(const v1::Action& action) {
  const v1::Recurrence& recurrence = action.recurrence();
  const absl::StatusOr<Schedule> schedule =
      Schedule::Parse(recurrence.cron(), recurrence.time_zone());
  if (absl::IsNotFound(schedule.status())) {
    return absl::UnimplementedError(StrCat("action recurrence: ", schedule.status().message()));
  }
  if (!schedule.ok()) return Invalid("recurrence", ToStd(schedule.status().message()));
  if (recurrence.has_until()) {
    const absl::StatusOr<absl::Time> until = ToTime(recurrence.until());
    if (!until.ok()) return Invalid("recurrence.until", ToStd(until.status().message()));
    if (*until > *ToTime(action.expires())) return Invalid("recurrence.until", "after expires");
  }
  const absl::Duration jitter = ToDuration(recurrence.jitter());
  if (jitter < absl::ZeroDuration() || jitter > kMaxJitter) {
    return Invalid("recurrence.jitter", "goes from 0 to 24h");
  }
  if (jitter >= schedule->ShortestInterval()) {
    return Invalid("recurrence.jitter",
                   StrCat(absl::FormatDuration(jitter), ", not less than between two occurrences (",
                          absl::FormatDuration(schedule->ShortestInterval()), ")"));
  }
  if (!v1::Recurrence::Missed_IsValid(recurrence.missed())) {
    return Invalid("recurrence.missed", "not a value that this version knows");
  }
  return absl::OkStatus();
}

absl::Status ValidateExtraRun(const v1::Action& action) {
  if (action.extra_run_of().empty()) return absl::OkStatus();
  if (!IsUuidV7(action.extra_run_of())) return Invalid("extra_run_of", "not the id of an action");
  if (action.has_recurrence()) return Invalid("extra_run_of", "not together with a recurrence");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::Time> ToTime(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() < kMinTimestampSeconds || timestamp.seconds() > kMaxTimestampSeconds ||
      timestamp.nanos() < 0 || timestamp.nanos() > 999'999'999) {
    return absl::InvalidArgumentError("a time outside of the years 1 to 9999");
  }
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  google::protobuf::Duration result;
  const int64_t seconds = absl::ToInt64Seconds(duration);
  result.set_seconds(seconds);
  result.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds))));
  return result;
}

absl::Status ValidateAction(const v1::Action& action) {
  if (!IsUuidV7(action.id())) return Invalid("id", "not a UUID of version 7 in lower case");
  if (!IsFleetId(action.fleet_id())) return Invalid("fleet_id", "not a fleet id");
  if (action.name().empty()) return Invalid("name", "missing");
  DRAGNET_RETURN_IF_ERROR(CheckLength("name", action.name(), kMaxActionName));
  if (action.name().find('\n') != std::string::npos) return Invalid("name", "more than one line");
  DRAGNET_RETURN_IF_ERROR(CheckLength("description", action.description(), kMaxActionDescription));
  DRAGNET_RETURN_IF_ERROR(ValidateThreat(action.threat()));
  DRAGNET_RETURN_IF_ERROR(ValidateTimes(action));
  DRAGNET_RETURN_IF_ERROR(ValidateDispatch(action.dispatch()));
  if (action.operations_size() == 0) return Invalid("operations", "none");
  if (action.operations_size() > kMaxOperations) {
    return Invalid("operations", StrCat(action.operations_size(), ", at most ", kMaxOperations));
  }
  for (int i = 0; i < action.operations_size(); ++i) {
    DRAGNET_RETURN_IF_ERROR(ValidateOperation(i, action.operations(i)));
  }
  if (action.has_recurrence()) DRAGNET_RETURN_IF_ERROR(ValidateRecurrence(action));
  DRAGNET_RETURN_IF_ERROR(ValidateExtraRun(action));
  return Annotate(ValidateTarget(action.target()), "action target");
}

absl::StatusOr<v1::Action> ParseAction(std::string_view payload) {
  v1::Action action;
  DRAGNET_RETURN_IF_ERROR(ParseStrict(payload, kMaxActionBytes, &action));
  DRAGNET_RETURN_IF_ERROR(ValidateAction(action));
  return action;
}

}  // namespace dragnet
