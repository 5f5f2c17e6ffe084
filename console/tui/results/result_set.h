// What came back of one action, and the stream that brings it: rows go to the
// scratch file on the thread that reads them, the screen's thread is told only how
// much there is now. Thread-safe but for the stream, which is its reader's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/client/client.h"
#include "console/tui/results/host_table.h"
#include "console/tui/results/row_store.h"
#include "console/tui/results/scratch_file.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

struct ResultSet {
  ResultSet(const v1::Action& action, std::shared_ptr<ScratchFile> file);

  const v1::Action action;
  HostTable hosts;
  // By operation.
  std::vector<std::unique_ptr<RowStore>> rows;
  // Of the last record whose rows are in here.
  std::atomic<uint64_t> cursor = 0;
  // Rows that belong to no operation of the action: of no use, but not unsaid.
  std::atomic<uint64_t> rows_lost = 0;

  uint64_t row_count() const;
};

// What an event was about.
struct ResultNews {
  std::optional<v1::Progress> progress;
  // The last: everything has come.
  bool end = false;
};

// Watches the action until it expires, from where `results` end. The stream puts
// what comes into `results`; when that fails it ends with why, and what was put
// there before stays good: it can be opened again.
absl::StatusOr<std::unique_ptr<Stream<ResultNews>>> OpenResults(Client& client,
                                                                std::shared_ptr<ResultSet> results);

}  // namespace dragnet::console::tui
