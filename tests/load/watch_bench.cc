// Times what an investigator sees of a fleet, over one connection that is up:
// `./dev bench fleet` prints tables of it. Each command prints one line of JSON.
//
//   watch_bench CONSOLE_TOML connected COUNT SECONDS
//     waits until so many agents are connected: how long it took
//   watch_bench CONSOLE_TOML action TARGET ANSWER RUNS
//     launches an action of 1 KiB that simulated agents answer as ANSWER says
//     (tests/load/answer.h): first row, last row, end of the watch stream
//   watch_bench CONSOLE_TOML blob TARGET BYTES SMALL_TARGET
//     an action with a blob of so many bytes; meanwhile every 2 s a small one to
//     SMALL_TARGET, and how long that took
//   watch_bench CONSOLE_TOML search TARGET RUNS
//     counts the agents of a target
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "console/client/client.h"
#include "console/client/config.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/uuid.h"
#include "modules/blobs.h"
#include "modules/file/file.pb.h"

namespace dragnet {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kEnvelopeBytes = 1024;
// Nothing of an action for so long: it hangs.
constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr absl::Duration kBetweenSmall = absl::Seconds(2);

struct Bench {
  console::ConsoleConfig config;
  std::unique_ptr<console::Client> client;
  PrivateKey key;
};

struct Timing {
  absl::Duration launched;
  absl::Duration first_row;
  absl::Duration last_row;
  absl::Duration end;
  uint64_t rows = 0;
  uint64_t envelope_bytes = 0;
  v1::Progress progress;
};

v1::Action NewAction(const Bench& bench, const std::string& target, const std::string& answer) {
  const absl::Time now = absl::Now();
  v1::Action action;
  action.set_id(NewUuidV7(now));
  action.set_fleet_id(bench.config.fleet_id);
  action.set_name("fleet bench");
  action.set_description("swarm: " + answer);
  action.set_target(target);
  *action.mutable_not_before() = ToTimestamp(now - absl::Minutes(1));
  *action.mutable_expires() = ToTimestamp(now + absl::Minutes(30));
  return action;
}

file::v1::FileParameters Parameters() {
  file::v1::FileParameters parameters;
  file::v1::Search* search = parameters.add_searches();
  search->add_paths("/etc");
  search->add_names("^passwd$");
  return parameters;
}

void AddOperation(const file::v1::FileParameters& parameters, v1::Action* action) {
  v1::Operation* operation = action->add_operations();
  operation->set_module("file");
  operation->set_parameters(parameters.SerializeAsString());
}

// Spaces in the description, which agents pass over.
void PadTo(size_t bytes, v1::Action* action) {
  constexpr size_t kSignature = 180;
  const size_t size = action->ByteSizeLong() + kSignature;
  if (size < bytes) action->mutable_description()->append(bytes - size, ' ');
}

absl::StatusOr<Timing> Watch(Bench& bench, const v1::Action& action) {
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, action.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(AddSignature(bench.key, &envelope));
  v1::LaunchRequest launch;
  launch.set_envelope(envelope.SerializeAsString());
  Timing timing;
  timing.envelope_bytes = launch.envelope().size();
  const absl::Time start = absl::Now();
  DRAGNET_RETURN_IF_ERROR(bench.client->Launch(launch).status());
  timing.launched = absl::Now() - start;
  v1::WatchRequest watch;
  watch.set_action_id(action.id());
  DRAGNET_ASSIGN_OR_RETURN(const auto stream, bench.client->Watch(watch));
  v1::WatchEvent event;
  while (true) {
    const auto step = stream->Next(kPatience, &event);
    if (step == console::EventStream::Step::kTimeout)
      return absl::DeadlineExceededError("nothing came for ten minutes");
    if (step == console::EventStream::Step::kEnd) return stream->status();
    if (event.has_rows()) {
      if (timing.rows == 0) timing.first_row = absl::Now() - start;
      timing.rows += static_cast<uint64_t>(event.rows().rows_size());
      timing.last_row = absl::Now() - start;
    }
    if (event.has_end()) break;
  }
  timing.end = absl::Now() - start;
  timing.progress = event.end().progress();
  return timing;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

double Greatest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

absl::StatusOr<Json> Connected(Bench& bench, uint64_t count, absl::Duration patience) {
  const absl::Time start = absl::Now();
  v1::SearchAgentsRequest request;
  request.set_count_only(true);
  uint64_t connected = 0;
  while (absl::Now() - start < patience) {
    const auto found = bench.client->SearchAgents(request);
    // It may not listen yet.
    if (found.ok()) connected = found->connected();
    if (connected >= count) break;
    absl::SleepFor(absl::Milliseconds(200));
  }
  return Json{{"connected", connected},
              {"seconds", absl::ToDoubleSeconds(absl::Now() - start)},
              {"all", connected >= count}};
}

absl::StatusOr<Json> RunActions(Bench& bench, const std::string& target, const std::string& answer,
                                int runs) {
  std::vector<double> launched, first, last, end;
  Timing timing;
  for (int run = 0; run < runs; ++run) {
    v1::Action action = NewAction(bench, target, answer);
    AddOperation(Parameters(), &action);
    PadTo(kEnvelopeBytes, &action);
    DRAGNET_ASSIGN_OR_RETURN(timing, Watch(bench, action));
    launched.push_back(absl::ToDoubleMilliseconds(timing.launched));
    first.push_back(absl::ToDoubleMilliseconds(timing.first_row));
    last.push_back(absl::ToDoubleMilliseconds(timing.last_row));
    end.push_back(absl::ToDoubleMilliseconds(timing.end));
  }
  return Json{{"envelope_bytes", timing.envelope_bytes},
              {"targeted", timing.progress.targeted()},
              {"found", timing.progress.found()},
              {"incomplete", timing.progress.incomplete()},
              {"rows", timing.rows},
              {"launched_ms", Median(launched)},
              {"first_row_ms", Median(first)},
              {"last_row_ms", Median(last)},
              {"end_ms", Median(end)},
              {"worst_end_ms", Greatest(end)},
              {"rows_per_second",
               static_cast<double>(timing.rows) / absl::ToDoubleSeconds(timing.last_row)}};
}

absl::Status PutBlobs(Bench& bench, const BlobContents& contents) {
  for (const auto& [sha256, content] : contents) {
    for (size_t offset = 0; offset < content.size(); offset += kMaxBlobPartBytes) {
      v1::PutBlobPartRequest part;
      part.set_sha256(sha256);
      part.set_size(content.size());
      part.set_offset(offset);
      part.set_data(content.substr(offset, kMaxBlobPartBytes));
      DRAGNET_RETURN_IF_ERROR(bench.client->PutBlobPart(part).status());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> RunBlob(Bench& bench, const std::string& target, size_t bytes,
                             const std::string& small_target) {
  v1::Action action = NewAction(bench, target, "rows=1 row_bytes=200");
  file::v1::FileParameters parameters = Parameters();
  // New each time, so that no agent has it.
  std::string rules = "rule fleet_bench { condition: true } // " + action.id() + " ";
  rules.append(bytes - std::min(bytes, rules.size()), 'x');
  parameters.mutable_searches(0)->set_yara(rules);
  v1::Operation* operation = action.add_operations();
  operation->set_module("file");
  BlobContents contents;
  DRAGNET_RETURN_IF_ERROR(ExtractBlobs(&parameters, operation, &contents));
  operation->set_parameters(parameters.SerializeAsString());
  DRAGNET_RETURN_IF_ERROR(PutBlobs(bench, contents));

  std::atomic<bool> over = false;
  std::vector<double> small;
  absl::Status small_status;
  std::jthread other([&] {
    while (!over) {
      v1::Action quick = NewAction(bench, small_target, "rows=1 row_bytes=1024");
      AddOperation(Parameters(), &quick);
      const absl::StatusOr<Timing> timing = Watch(bench, quick);
      if (!timing.ok()) {
        small_status = timing.status();
        return;
      }
      small.push_back(absl::ToDoubleMilliseconds(timing->end));
      for (absl::Time until = absl::Now() + kBetweenSmall; !over && absl::Now() < until;)
        absl::SleepFor(absl::Milliseconds(50));
    }
  });
  const absl::StatusOr<Timing> timing = Watch(bench, action);
  over = true;
  other.join();
  DRAGNET_RETURN_IF_ERROR(timing.status());
  DRAGNET_RETURN_IF_ERROR(small_status);
  return Json{{"blob_bytes", bytes},
              {"targeted", timing->progress.targeted()},
              {"found", timing->progress.found()},
              {"end_ms", absl::ToDoubleMilliseconds(timing->end)},
              {"small_actions", small.size()},
              {"small_median_ms", Median(small)},
              {"small_worst_ms", Greatest(small)}};
}

absl::StatusOr<Json> Search(Bench& bench, const std::string& target, int runs) {
  std::vector<double> took;
  v1::SearchAgentsRequest request;
  request.set_target(target);
  request.set_count_only(true);
  uint64_t total = 0;
  for (int run = 0; run < runs; ++run) {
    const absl::Time start = absl::Now();
    DRAGNET_ASSIGN_OR_RETURN(const auto found, bench.client->SearchAgents(request));
    took.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
    total = found.total();
  }
  return Json{{"agents", total}, {"median_ms", Median(took)}, {"worst_ms", Greatest(took)}};
}

absl::StatusOr<Json> Run(const std::vector<std::string>& arguments) {
  DRAGNET_ASSIGN_OR_RETURN(const console::ConsoleConfig config, console::LoadConfig(arguments[0]));
  DRAGNET_ASSIGN_OR_RETURN(auto client, console::Client::Create(config, absl::Now()));
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKey::Load(config.signing_key));
  Bench bench{config, std::move(client), key};
  const std::string& command = arguments[1];
  const auto number = [&](size_t i) { return std::atoll(arguments[i].c_str()); };
  if (command == "connected" && arguments.size() == 4)
    return Connected(bench, static_cast<uint64_t>(number(2)), absl::Seconds(number(3)));
  if (command == "action" && arguments.size() == 5)
    return RunActions(bench, arguments[2], arguments[3], static_cast<int>(number(4)));
  if (command == "blob" && arguments.size() == 5)
    return RunBlob(bench, arguments[2], static_cast<size_t>(number(3)), arguments[4]);
  if (command == "search" && arguments.size() == 4)
    return Search(bench, arguments[2], static_cast<int>(number(3)));
  return absl::InvalidArgumentError("usage: see the head of tests/load/watch_bench.cc");
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  dragnet::console::InitializeProcess();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 2) {
    std::fprintf(stderr, "usage: see the head of tests/load/watch_bench.cc\n");
    return 2;
  }
  const absl::StatusOr<dragnet::Json> result = dragnet::Run(arguments);
  if (!result.ok()) {
    std::fprintf(stderr, "watch_bench: %s\n", result.status().ToString().c_str());
    return 1;
  }
  std::printf("%s\n", result->dump().c_str());
  return 0;
}
