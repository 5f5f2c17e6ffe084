// Words of JetStream that libnats doesn't read for us, and the two streams of a fleet.
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/bus/nats_connection.h"
#include "scheduler/bus/nats_options.h"

namespace dragnet::scheduler {

// What a server answers to a published message: the number that it got in `stream`.
// ResourceExhausted: the stream, or the server's disk, is full. InvalidArgument: it will
// never be taken. Unavailable: for the moment, and it is worth being tried again.
absl::StatusOr<uint64_t> ReadPublishAnswer(const NatsMessage& answer, std::string_view stream);
// The same of the answer's content alone.
absl::StatusOr<uint64_t> ParsePublishAnswer(std::string_view json, std::string_view stream);

// Which numbers a delivered message has: in its stream, and among what its consumer has
// delivered, without gaps. From its reply subject; nothing for any other.
struct DeliveryNumbers {
  uint64_t stream = 0;
  uint64_t consumer = 0;
};
std::optional<DeliveryNumbers> ParseDelivery(std::string_view reply);

// With how many messages each subject that fits `subjects` has; empty: without.
absl::StatusOr<NatsStreamInfo> StreamInfo(NatsConnection& connection, const std::string& stream,
                                          const std::string& subjects = "");

// Of the newest message of this subject, as the stream's leader has it; 0: there is none.
absl::StatusOr<uint64_t> LastNumber(NatsConnection& connection, const std::string& stream,
                                    const std::string& subject);

// Sees to it that both streams are there. Missing ones are made if the options say so;
// FailedPrecondition names what is otherwise in one that is there. With `change`, what may
// be changed (bytes, replicas) is changed instead.
absl::Status SetUpStreams(NatsConnection& connection, const NatsOptions& options, bool change);

}  // namespace dragnet::scheduler
