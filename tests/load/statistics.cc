#include "tests/load/statistics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace dragnet::load {
namespace {}  // namespace

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

namespace {

uint64_t ResidentBytes() {
  uint64_t size = 0;
  uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::string ToJson(const Statistics& statistics, double seconds,
                   const std::map<std::string, std::string>& more) {
  nlohmann::ordered_json json{
      {"seconds", seconds},
      {"connected", statistics.connected},
      {"connecting", statistics.connecting},
      {"all_connected_after", statistics.all_connected_after},
      {"connections", statistics.connections},
      {"reconnects", statistics.connections - statistics.connected},
      {"resumed", statistics.resumed},
      {"enrolled", statistics.enrolled},
      {"actions_taken", statistics.actions_taken},
      {"operations_ended", statistics.operations_ended},
      {"refusals", statistics.refusals},
      {"orders", statistics.orders},
      {"rows_produced", statistics.rows_produced},
      {"records_sent", statistics.records_sent},
      {"records_acknowledged", statistics.records_acknowledged},
      {"heartbeats", statistics.heartbeats},
      {"pings", statistics.pings},
      {"blob_bytes", statistics.blob_bytes},
      {"blobs_fetched", statistics.blobs_fetched},
      {"blobs_wrong", statistics.blobs_wrong},
      {"bytes_read", statistics.bytes_read},
      {"bytes_written", statistics.bytes_written},
      {"cpu_seconds", CpuSeconds() - statistics.cpu_before},
      {"resident_bytes", ResidentBytes()},
      {"failures", statistics.failures},
  };
  for (const auto& [key, value] : more) json[key] = value;
  // Reasons hold what peers said.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace dragnet::load
