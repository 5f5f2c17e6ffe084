// Asks one service, one connection at a time and a bounded number of times. Not
// thread-safe; one for each service.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "modules/ping/endpoint.h"
#include "modules/tls/connection.h"
#include "modules/tls/flight.h"
#include "modules/tls/hello.h"
#include "modules/tls/starttls.h"

namespace dragnet::tls {

struct Answer {
  enum class Kind {
    // A ServerHello: `flight` has it, and what came behind it.
    kHello,
    // A fatal alert: `flight` has it.
    kRefused,
    // Closed the connection, or reset it.
    kHungUp,
    // Nothing in time.
    kSilent,
    // Something that isn't TLS.
    kNotTls,
    // TLS that can't be read.
    kBroken,
    // No connection.
    kUnreachable,
    // Not asked: see Prober::limit().
    kNotAsked,
  };
  Kind kind = Kind::kNotAsked;
  Flight flight;
  // In words, of kinds that something is wrong with.
  std::string error;
  // Of kUnreachable.
  int error_number = 0;
  // The beginning of what kNotTls sent.
  std::string greeting;

  // The service has said that it doesn't take this. Who hangs up says so, too, once it is
  // known to speak TLS: many do without an alert.
  bool IsNo() const { return kind == Kind::kRefused || kind == Kind::kHungUp; }
};

class Prober {
 public:
  struct Limits {
    absl::Duration timeout;
    // Of the whole service.
    absl::Duration time;
    uint32_t probes = 0;
  };

  Prober(const ping::Endpoint& endpoint, const Limits& limits);

  // Who hangs up is asked once more: it may have had other reasons.
  Answer Ask(const Hello& hello);

  // From now on each connection is upgraded before anything else.
  void set_upgrade(Upgrade upgrade) { upgrade_ = upgrade; }
  Upgrade upgrade() const { return upgrade_; }

  // A connection on which TLS can begin: 0, or errno. Counts as a probe; EDQUOT when
  // there may be no other one.
  int Connect(Connection* connection);

  // What it answers to a ClientHello and empty lines behind it; empty for nothing.
  std::string AnswerToEmptyLines(const Hello& hello);
  // When a wait that begins now should end.
  absl::Duration Deadline() const;
  uint32_t probes() const { return probes_; }
  // Which limit has ended the asking: "max_probes", "time", or empty.
  std::string_view limit() const { return limit_; }

 private:
  Answer AskOnce(const Hello& hello);

  const ping::Endpoint endpoint_;
  const Limits limits_;
  const absl::Duration end_;
  Upgrade upgrade_ = Upgrade::kNone;
  uint32_t probes_ = 0;
  std::string_view limit_;
};

}  // namespace dragnet::tls
