// What the agents of a swarm produced, for the checker to compare with what the
// scheduler stored. JSON Lines:
//   {"action":"…","answer":"rows=…","real_rows":"FILE or empty"}
//   {"agent":"UUID","index":7,"action":"…","operation":0,"rows":1000,"records":2,
//    "end":"found","lie":"","pending":[2,3]}
// An operation's rows are those of its answer (answer.h), number 0 to rows - 1,
// in records of as many rows as RowMaker::RowsPerRecord says, from sequence 1.
// `pending`: sequences that weren't acknowledged when the swarm ended. Only these
// may be missing in the store.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/load/answer.h"

namespace dragnet::load {

struct LedgerEntry {
  std::string agent_id;
  uint32_t agent_index = 0;
  std::string action_id;
  uint32_t operation = 0;
  // Produced: what is in `pending` included.
  uint64_t rows = 0;
  // With rows; the summary comes after them.
  uint64_t records = 0;
  // "found", "clean", "incomplete", "refused", or "" while it runs.
  std::string end;
  // How this agent lies; empty for an honest one.
  std::string lie;
  std::vector<uint64_t> pending;
};

struct Ledger {
  // By action id.
  std::map<std::string, Answer> answers;
  std::string real_rows;
  std::vector<LedgerEntry> entries;
};

// Whoever reads `path` sees all of it, or what was there before.
absl::Status WriteLedger(const std::string& path, const Ledger& ledger);
// Adds to `ledger`: several swarms may have played one fleet.
absl::Status ReadLedger(const std::string& path, Ledger* ledger);

}  // namespace dragnet::load
