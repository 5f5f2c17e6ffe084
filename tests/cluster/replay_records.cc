// What a network may do to messages, done to the records that wait on a fleet's bus: each is
// put there again, the last one first. With --take-away the first ones are removed, so that
// they come in the wrong order and not only twice. Prints a line of JSON. For
// tests/cluster/faults.sh.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/bus/jetstream.h"
#include "scheduler/bus/nats_connection.h"
#include "scheduler/bus/nats_options.h"
#include "scheduler/bus/stream_reader.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);
// Of a partition in which nothing more waits.
constexpr absl::Duration kSilence = absl::Milliseconds(300);

struct Replayed {
  uint64_t again = 0;
  uint64_t taken_away = 0;
};

absl::Status TakeAway(NatsConnection& bus, const std::string& stream, uint64_t number,
                      Replayed* replayed) {
  DRAGNET_ASSIGN_OR_RETURN(const NatsMessage answer,
                           bus.Request({.subject = StrCat("$JS.API.STREAM.MSG.DELETE.", stream),
                                        .data = StrCat("{\"seq\":", number, ",\"no_erase\":true}")},
                                       kPatience));
  // One that was stored meanwhile is gone already.
  if (DataOf(answer).find("\"success\":true") != std::string_view::npos) ++replayed->taken_away;
  return absl::OkStatus();
}

// A bus that elects leaders, after another fault, may not answer the first time.
absl::Status Open(StreamReader& reader) {
  absl::Status status;
  for (int attempt = 0; attempt < 5; ++attempt) {
    status = reader.Open(0);
    if (status.ok()) break;
  }
  return status;
}

absl::Status ReplayPartition(NatsConnection& bus, const NatsNames& names, uint32_t partition,
                             bool take_away, Replayed* replayed) {
  const std::string subject = names.RecordSubject(partition);
  StreamReader reader(bus, names.RecordStream(), subject, {});
  DRAGNET_RETURN_IF_ERROR(Open(reader));
  std::vector<StreamMessage> waiting;
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(std::vector<StreamMessage> batch, reader.Next(kSilence));
    if (batch.empty()) break;
    std::move(batch.begin(), batch.end(), std::back_inserter(waiting));
  }
  std::reverse(waiting.begin(), waiting.end());
  // All of it is there twice before any is there once.
  for (const StreamMessage& message : waiting) {
    DRAGNET_ASSIGN_OR_RETURN(
        const NatsMessage answer,
        bus.Request({.subject = subject, .data = DataOf(message.message)}, kPatience));
    DRAGNET_RETURN_IF_ERROR(ReadPublishAnswer(answer, names.RecordStream()).status());
    ++replayed->again;
  }
  if (!take_away) return absl::OkStatus();
  for (const StreamMessage& message : waiting)
    DRAGNET_RETURN_IF_ERROR(TakeAway(bus, names.RecordStream(), message.number, replayed));
  return absl::OkStatus();
}

absl::Status Replay(const NatsOptions& options, bool take_away) {
  DRAGNET_ASSIGN_OR_RETURN(const auto bus, NatsConnection::Connect(options));
  const NatsNames names(options.fleet_id);
  Replayed replayed;
  for (uint32_t partition = 0; partition < options.partitions; ++partition)
    DRAGNET_RETURN_IF_ERROR(ReplayPartition(*bus, names, partition, take_away, &replayed));
  std::printf("{\"again\":%llu,\"taken_away\":%llu}\n",
              static_cast<unsigned long long>(replayed.again),
              static_cast<unsigned long long>(replayed.taken_away));
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app("Puts the records that wait on a fleet's bus there again, in the wrong order.");
  NatsOptions options;
  bool take_away = false;
  app.add_option("--bus", options.url, "nats://…,nats://…")->required();
  app.add_option("--fleet", options.fleet_id, "Its id")->required();
  app.add_option("--name", options.scheduler, "The scheduler whose certificate it is")->required();
  app.add_option("--ca", options.ca_file)->required();
  app.add_option("--certificate", options.certificate_file)->required();
  app.add_option("--key", options.key_file)->required();
  app.add_flag("--take-away", take_away, "The first ones are removed");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = Replay(options, take_away);
  if (!status.ok()) std::fprintf(stderr, "replay_records: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace dragnet::scheduler

int main(int argc, char** argv) { return dragnet::scheduler::Main(argc, argv); }
