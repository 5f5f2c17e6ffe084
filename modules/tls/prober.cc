#include "modules/tls/prober.h"

#include <errno.h>
#include <sys/random.h>

#include <algorithm>
#include <array>

#include "core/strings.h"
#include "modules/ping/probe.h"
#include "modules/ping/wait.h"

namespace dragnet::tls {
namespace {

std::array<uint8_t, 32> Random() {
  std::array<uint8_t, 32> random = {};
  // Nothing is kept secret by it: what the kernel can't give stays 0.
  if (getrandom(random.data(), random.size(), 0) < 0) random.fill(0);
  return random;
}

bool IsHangUp(int error) { return error == ECONNRESET || error == EPIPE; }

Answer Failed(int error) {
  Answer answer;
  answer.kind = IsHangUp(error)      ? Answer::Kind::kHungUp
                : error == ETIMEDOUT ? Answer::Kind::kSilent
                                     : Answer::Kind::kBroken;
  answer.error = ping::ErrorWords(error);
  return answer;
}

Answer FromReader(const FlightReader& reader) {
  Answer answer;
  answer.flight = reader.flight();
  // What came behind a ServerHello, or didn't, takes nothing from it.
  if (answer.flight.hello) {
    answer.kind = Answer::Kind::kHello;
    return answer;
  }
  switch (reader.state()) {
    case FlightReader::State::kRefused:
      answer.kind = Answer::Kind::kRefused;
      break;
    case FlightReader::State::kNotTls:
      answer.kind = Answer::Kind::kNotTls;
      break;
    case FlightReader::State::kReading:
    case FlightReader::State::kDone:
      answer.kind = Answer::Kind::kHungUp;
      break;
    case FlightReader::State::kBroken:
      answer.kind = Answer::Kind::kBroken;
      answer.error = StrCat("sends ", reader.reason());
      break;
  }
  return answer;
}

}  // namespace

Prober::Prober(const ping::Endpoint& endpoint, const Limits& limits)
    : endpoint_(endpoint), limits_(limits), end_(ping::MonotonicNow() + limits.time) {}

absl::Duration Prober::Deadline() const {
  return std::min(ping::MonotonicNow() + limits_.timeout, end_);
}

int Prober::Connect(Connection* connection) {
  if (probes_ >= limits_.probes) limit_ = "max_probes";
  if (ping::MonotonicNow() >= end_) limit_ = "time";
  if (!limit_.empty()) return EDQUOT;
  ++probes_;
  const absl::Duration deadline = Deadline();
  const int error = connection->Open(endpoint_, deadline);
  return error != 0 ? error : StartTls(upgrade_, *connection, deadline);
}

Answer Prober::Ask(const Hello& hello) {
  Answer answer = AskOnce(hello);
  if (answer.kind == Answer::Kind::kHungUp || answer.kind == Answer::Kind::kUnreachable) {
    Answer again = AskOnce(hello);
    if (again.kind != Answer::Kind::kNotAsked) answer = std::move(again);
  }
  return answer;
}

Answer Prober::AskOnce(const Hello& hello) {
  Answer answer;
  Connection connection;
  if (const int error = Connect(&connection); error != 0) {
    if (!limit_.empty()) {
      answer.error = StrCat("limit of ", limit_);
      return answer;
    }
    answer.kind = Answer::Kind::kUnreachable;
    answer.error_number = error;
    answer.error = ping::ErrorWords(error);
    return answer;
  }
  const absl::Duration deadline = Deadline();
  FlightReader reader;
  // Who refuses before all is sent may have said why.
  int error = connection.Send(ClientHello(hello, Random()), deadline);
  if (error != 0 && !IsHangUp(error)) return Failed(error);
  std::string bytes;
  while (reader.state() == FlightReader::State::kReading) {
    error = connection.Receive(deadline, &bytes);
    if (error != 0 || bytes.empty()) break;
    reader.Read(bytes);
    if (reader.state() == FlightReader::State::kNotTls) {
      answer.kind = Answer::Kind::kNotTls;
      answer.greeting = bytes.substr(0, 64);
      return answer;
    }
  }
  if (error != 0 && !reader.flight().hello && reader.state() == FlightReader::State::kReading)
    return Failed(error);
  return FromReader(reader);
}

std::string Prober::AnswerToEmptyLines(const Hello& hello) {
  Connection connection;
  if (Connect(&connection) != 0) return "";
  const absl::Duration deadline = Deadline();
  std::string answer;
  if (connection.Send(ClientHello(hello, Random()) + "\r\n\r\n", deadline) != 0) return "";
  if (connection.Receive(deadline, &answer) != 0) return "";
  return answer;
}

}  // namespace dragnet::tls
