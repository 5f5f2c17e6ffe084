// Compares what a swarm produced with what a scheduler stored.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/load/ledger.h"

namespace dragnet::load {

struct CheckResult {
  uint64_t actions = 0;
  uint64_t operations = 0;
  uint64_t rows_produced = 0;
  uint64_t rows_stored = 0;
  // Acknowledged, and not stored or stored otherwise.
  uint64_t rows_lost = 0;
  // Stored more than once.
  uint64_t rows_duplicate = 0;
  // Not acknowledged when the swarm ended, and not stored.
  uint64_t rows_pending = 0;
  // Stored, and produced by no agent.
  uint64_t rows_made_up = 0;
  // Pairs whose state isn't what was produced.
  uint64_t states_wrong = 0;
  uint64_t liars = 0;
  // The first of what is wrong, for people.
  std::vector<std::string> findings;

  bool good() const {
    return rows_lost == 0 && rows_duplicate == 0 && rows_made_up == 0 && states_wrong == 0;
  }
};

// `store`: an SQLite file or a PostgreSQL server's URL. Reads only; schedulers may run on it.
absl::StatusOr<CheckResult> CheckLedger(const Ledger& ledger, const std::string& store);

std::string ToText(const CheckResult& result);

}  // namespace dragnet::load
