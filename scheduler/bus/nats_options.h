// Where a fleet's NATS servers are, and what everything is called there. Plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

struct NatsOptions {
  // "nats://a,b:4223,c", or whole URLs with commas between them; "tls://" means the same.
  // A user and a password may be in it.
  std::string url = {};
  // Of letters, digits, '-' and '_'.
  std::string fleet_id = {};
  // This scheduler's own, as others address it. Of the same letters.
  std::string scheduler = {};

  // Files in PEM. All three, or none; none only where every server is on this machine
  // or `allow_plaintext` is set (tests).
  std::string ca_file = {};
  std::string certificate_file = {};
  std::string key_file = {};
  bool allow_plaintext = false;

  // How many servers keep each message: 3, or 1 where there is one server.
  int replicas = 1;
  uint32_t partitions = 8;
  // Of the stream of records. What is full refuses records, until some were stored.
  int64_t max_record_bytes = int64_t{4} << 30;
  // Whether missing streams are made when connecting; if not, PrepareNats must have been
  // there before.
  bool create_streams = true;
  // Servers that elect a leader need a moment.
  absl::Duration patience_at_start = absl::Seconds(20);

  // Of records whose `done` is still to come.
  size_t max_pending_bytes = 64 << 20;
  size_t max_pending_records = 65'536;
  // For one record from when it is sent first until its publisher is told that the bus
  // can't be reached. Longer than the election of a leader (6.3 s were measured).
  absl::Duration publish_patience = absl::Seconds(10);

  // The bus takes this scheduler no more, and won't be tried again; from a thread of the
  // library's. Unset: the program says so and ends with status 1.
  std::function<void(const absl::Status&)> on_closed = nullptr;
};

struct NatsAddress {
  std::string host;
  uint16_t port = 4222;
  // With whatever user and password: not for anyone's eyes.
  std::string url = {};
};

// InvalidArgument says what is wrong with which part, without its password.
absl::StatusOr<std::vector<NatsAddress>> ParseNatsUrl(std::string_view url);
// "a:4222, b:4222".
std::string Describe(const std::vector<NatsAddress>& addresses);

// InvalidArgument for options that can't be used, in the user's words.
absl::Status CheckNatsOptions(const NatsOptions& options);

// Whether `name` may be a part of a subject: 1 to 64 letters, digits, '-', '_'.
bool IsSubjectToken(std::string_view name);

// Of what belongs to a fleet, which must be such a token.
class NatsNames {
 public:
  explicit NatsNames(std::string_view fleet_id) : fleet_id_(fleet_id) {}

  std::string RecordStream() const;
  std::string RecordSubject(uint32_t partition) const;
  // Of all partitions.
  std::string RecordSubjects() const;
  std::string NoticeStream() const;
  std::string NoticeSubject() const;
  std::string PeerSubject(std::string_view scheduler) const;
  std::string PeersSubject() const;
  // Below which all answers to a scheduler come: its user hears this one and no other's.
  std::string Inbox(std::string_view scheduler) const;

 private:
  std::string fleet_id_;
};

}  // namespace dragnet::scheduler
