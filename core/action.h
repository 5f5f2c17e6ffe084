// The bounds of an action: one implementation for the console (before signing),
// the scheduler (before storing) and the agent (before obeying). Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/action.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace dragnet {

inline constexpr size_t kMaxActionBytes = 1000 * 1024;  // leaves room in the envelope
inline constexpr size_t kMaxActionName = 200;
inline constexpr size_t kMaxActionDescription = 4096;
inline constexpr int kMaxOperations = 16;
inline constexpr size_t kMaxParameterBytes = 512 * 1024;
inline constexpr int kMaxBlobs = 16;  // of an operation
inline constexpr uint64_t kMaxBlobBytes = uint64_t{32} << 20;
inline constexpr uint64_t kMaxBlobBytesOfOperation = uint64_t{64} << 20;
inline constexpr size_t kMaxBlobPartBytes = 256 * 1024;
inline constexpr absl::Duration kMaxActionLifetime = absl::Hours(366 * 24);
inline constexpr absl::Duration kMaxJitter = absl::Hours(24);
inline constexpr uint32_t kMaxAgentsPerSecond = 100'000;
inline constexpr uint32_t kMaxCanaryPercent = 50;
inline constexpr uint32_t kMaxCpuSharePercent = 6400;

// Conversions. A timestamp outside of years 1 to 9999 is InvalidArgument.
absl::StatusOr<absl::Time> ToTime(const google::protobuf::Timestamp& timestamp);
google::protobuf::Timestamp ToTimestamp(absl::Time time);
absl::Duration ToDuration(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProtoDuration(absl::Duration duration);

// Everything that action.proto states and that needs neither clock, policy nor
// facts: id, texts, times in order, operations, limits, target that compiles.
// InvalidArgument names the field. Unimplemented for a time zone that this host
// doesn't know.
absl::Status ValidateAction(const v1::Action& action);

// ParseStrict, then ValidateAction.
absl::StatusOr<v1::Action> ParseAction(std::string_view payload);

}  // namespace dragnet
