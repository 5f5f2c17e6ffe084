// Times investigations from the investigator's side: from before the signature
// to the end of the watch stream, over one connection that is already up.
//
//   launch_latency CONSOLE_TOML TARGET RUNS
//
// Runs `file` on /etc for '^passwd$' each time. Prints one line per figure:
// minimum, median and maximum in milliseconds, for the first row and for the end.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "console/client/client.h"
#include "console/client/config.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/uuid.h"
#include "modules/file/file.pb.h"

namespace dragnet {
namespace {

struct Timing {
  absl::Duration first_row;
  absl::Duration end;
  v1::Progress progress;
};

v1::Action NewAction(const console::ConsoleConfig& config, const std::string& target) {
  const absl::Time now = absl::Now();
  v1::Action action;
  action.set_id(NewUuidV7(now));
  action.set_fleet_id(config.fleet_id);
  action.set_name("launch latency");
  action.set_target(target);
  *action.mutable_not_before() = ToTimestamp(now - absl::Minutes(1));
  *action.mutable_expires() = ToTimestamp(now + absl::Minutes(5));
  file::v1::FileParameters parameters;
  file::v1::Search* search = parameters.add_searches();
  search->add_paths("/etc");
  search->add_names("^passwd$");
  v1::Operation* operation = action.add_operations();
  operation->set_module("file");
  operation->set_parameters(parameters.SerializeAsString());
  return action;
}

absl::StatusOr<Timing> RunOnce(console::Client& client, const console::ConsoleConfig& config,
                               const PrivateKey& key, const std::string& target) {
  const absl::Time start = absl::Now();
  const v1::Action action = NewAction(config, target);
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, action.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(AddSignature(key, &envelope));
  v1::LaunchRequest launch;
  launch.set_envelope(envelope.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(client.Launch(launch).status());
  v1::WatchRequest watch;
  watch.set_action_id(action.id());
  DRAGNET_ASSIGN_OR_RETURN(const auto stream, client.Watch(watch));
  Timing timing;
  std::optional<absl::Duration> first_row;
  v1::WatchEvent event;
  while (true) {
    const auto step = stream->Next(absl::Seconds(60), &event);
    if (step == console::EventStream::Step::kTimeout) {
      return absl::DeadlineExceededError("nothing came for a minute");
    }
    if (step == console::EventStream::Step::kEnd) return stream->status();
    if (event.has_rows() && !first_row.has_value()) first_row = absl::Now() - start;
    if (event.has_end()) break;
  }
  timing.end = absl::Now() - start;
  timing.first_row = first_row.value_or(timing.end);
  timing.progress = event.end().progress();
  return timing;
}

void Print(const char* what, std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  std::printf("%-12s min %7.1f  median %7.1f  max %7.1f ms\n", what, milliseconds.front(),
              milliseconds[milliseconds.size() / 2], milliseconds.back());
}

absl::Status Run(const std::string& config_path, const std::string& target, int runs) {
  DRAGNET_ASSIGN_OR_RETURN(const console::ConsoleConfig config, console::LoadConfig(config_path));
  DRAGNET_ASSIGN_OR_RETURN(const auto client, console::Client::Create(config, absl::Now()));
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKey::Load(config.signing_key));
  std::vector<double> first_rows;
  std::vector<double> ends;
  v1::Progress progress;
  for (int run = -1; run < runs; ++run) {  // the first warms up
    DRAGNET_ASSIGN_OR_RETURN(const Timing timing, RunOnce(*client, config, key, target));
    if (run < 0) continue;
    first_rows.push_back(absl::ToDoubleMilliseconds(timing.first_row));
    ends.push_back(absl::ToDoubleMilliseconds(timing.end));
    progress = timing.progress;
  }
  std::printf("targeted %lu, found %lu, incomplete %lu, rows %lu, %d runs\n", progress.targeted(),
              progress.found(), progress.incomplete(), progress.rows(), runs);
  Print("first row", first_rows);
  Print("complete", ends);
  return absl::OkStatus();
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  dragnet::console::InitializeProcess();
  if (argc != 4) {
    std::fprintf(stderr, "usage: launch_latency CONSOLE_TOML TARGET RUNS\n");
    return 2;
  }
  const absl::Status status = dragnet::Run(argv[1], argv[2], std::atoi(argv[3]));
  if (!status.ok()) std::fprintf(stderr, "launch_latency: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
