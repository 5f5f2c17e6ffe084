// How many records a NATS bus carries from publication to the writer, on 1 or 3 servers
// that it starts on this machine, and how fast what is stored is removed.
//
//   bus_bench [NODES [RECORDS [BYTES [AGENTS]]]]
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/str_format.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "core/strings.h"
#include "scheduler/bus/nats_bus.h"
#include "scheduler/testing/nats_server.h"

namespace dragnet::scheduler {
namespace {

class CountingWriter : public RecordWriter {
 public:
  absl::StatusOr<uint64_t> PositionOf(uint32_t partition) override {
    WaitableMutex::Lock lock(mutex_);
    return positions_[partition];
  }
  void Write(RecordBatch batch, Done done) override {
    {
      WaitableMutex::Lock lock(mutex_);
      positions_[batch.range->partition] = batch.range->last;
      records_ += batch.records.size();
      ++batches_;
    }
    done(absl::OkStatus());
  }
  void WaitFor(size_t records) {
    WaitableMutex::Lock lock(mutex_);
    lock.Await([&] { return records_ >= records; });
  }
  std::vector<uint64_t> positions() {
    WaitableMutex::Lock lock(mutex_);
    return {positions_.begin(), positions_.end()};
  }
  size_t batches() {
    WaitableMutex::Lock lock(mutex_);
    return batches_;
  }

 private:
  WaitableMutex mutex_;
  std::vector<uint64_t> positions_ = std::vector<uint64_t>(8);
  size_t records_ = 0;
  size_t batches_ = 0;
};

int Run(int nodes, size_t records, size_t bytes, size_t agents) {
  const auto servers = NatsServers::Start({.nodes = nodes});
  if (!servers.ok()) {
    std::fprintf(stderr, "%s\n", servers.status().ToString().c_str());
    return 1;
  }
  NatsOptions options;
  options.url = (*servers)->url();
  options.fleet_id = "bench";
  options.scheduler = "a";
  options.replicas = nodes == 1 ? 1 : 3;
  const auto bus = NatsBus::Connect(options);
  if (!bus.ok()) {
    std::fprintf(stderr, "%s\n", bus.status().ToString().c_str());
    return 1;
  }
  CountingWriter writer;
  (*bus)->SetWriter(writer);
  (*bus)->ReadPartitions({0, 1, 2, 3, 4, 5, 6, 7});

  struct Waiting {
    WaitableMutex mutex;
    size_t pending = 0;
    size_t failed = 0;
  };
  const auto waiting = std::make_shared<Waiting>();
  const absl::Time begin = SteadyNow();
  for (size_t i = 0; i < records; ++i) {
    AgentRecord record;
    record.agent_id = absl::StrFormat("%08x-0000-4000-8000-000000000000", i % agents);
    record.record.set_action_id("0190a000-0000-7000-8000-000000000001");
    record.record.set_sequence(i / agents + 1);
    record.record.mutable_rows()->add_rows(std::string(bytes, 'r'));
    record.received = absl::UnixEpoch();
    {
      WaitableMutex::Lock lock(waiting->mutex);
      lock.Await([&] { return waiting->pending < std::min<size_t>(20'000, (32 << 20) / bytes); });
      ++waiting->pending;
    }
    (*bus)->PublishRecord(std::move(record), [waiting](absl::Status status) {
      WaitableMutex::Lock lock(waiting->mutex);
      --waiting->pending;
      if (!status.ok()) ++waiting->failed;
    });
  }
  size_t failed = 0;
  {
    WaitableMutex::Lock lock(waiting->mutex);
    lock.Await([&] { return waiting->pending == 0; });
    failed = waiting->failed;
  }
  const double published = absl::ToDoubleSeconds(SteadyNow() - begin);
  writer.WaitFor(records - failed);
  const double read = absl::ToDoubleSeconds(SteadyNow() - begin);
  const auto rate = [&](double seconds) {
    return absl::StrFormat("%.0f records/s, %.1f MB/s", static_cast<double>(records) / seconds,
                           static_cast<double>(records * bytes) / seconds / 1e6);
  };
  std::printf(
      "%d node(s), %zu records of %zu bytes, %zu agents: published %s; read %s in %zu "
      "batches; %zu failed\n",
      nodes, records, bytes, agents, rate(published).c_str(), rate(read).c_str(), writer.batches(),
      failed);
  const absl::Time forgetting = SteadyNow();
  for (int i = 0; i < 100; ++i) {
    const absl::Status status = (*bus)->ForgetRecords(writer.positions());
    if (!status.ok()) std::printf("%s\n", status.ToString().c_str());
    if ((*bus)->backlog().value_or(Bus::Backlog()).messages == 0) break;
  }
  std::printf("  removed: %s\n", rate(absl::ToDoubleSeconds(SteadyNow() - forgetting)).c_str());
  return 0;
}

}  // namespace
}  // namespace dragnet::scheduler

int main(int argc, char** argv) {
  const auto argument = [&](int index, long otherwise) {
    return argc > index ? std::atol(argv[index]) : otherwise;
  };
  return dragnet::scheduler::Run(
      static_cast<int>(argument(1, 1)), static_cast<size_t>(argument(2, 100'000)),
      static_cast<size_t>(argument(3, 1000)), static_cast<size_t>(argument(4, 1000)));
}
