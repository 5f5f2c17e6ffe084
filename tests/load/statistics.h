// What a swarm counts. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace dragnet::load {

// Of this process, so far.
double CpuSeconds();

struct Statistics {
  // What keys and facts took, before the first agent set out.
  double cpu_before = 0;
  // Now.
  uint64_t connected = 0;
  uint64_t connecting = 0;
  // Seconds from the start until all were connected for the first time; -1 until
  // then.
  double all_connected_after = -1;
  // Since the start.
  uint64_t connections = 0;
  uint64_t resumed = 0;
  uint64_t enrolled = 0;
  uint64_t actions_taken = 0;
  uint64_t operations_ended = 0;
  uint64_t refusals = 0;
  uint64_t orders = 0;
  uint64_t rows_produced = 0;
  uint64_t records_sent = 0;
  uint64_t records_acknowledged = 0;
  uint64_t heartbeats = 0;
  uint64_t pings = 0;
  uint64_t blob_bytes = 0;
  uint64_t blobs_fetched = 0;
  uint64_t blobs_wrong = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  // Of connections, by reason.
  std::map<std::string, uint64_t> failures;
};

// One line of JSON; with this process's CPU time and memory, and what else is
// given.
std::string ToJson(const Statistics& statistics, double seconds,
                   const std::map<std::string, std::string>& more);

}  // namespace dragnet::load
