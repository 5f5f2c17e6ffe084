// Stores the records that come from the bus, and tells all whom that concerns: who
// watches, the agents' sessions, the dispatcher, and the other schedulers. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "scheduler/bus/bus.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/record_log.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

class RecordKeeper final : public RecordWriter {
 public:
  // All must outlive this. `store` calls back last before it goes.
  RecordKeeper(Store& store, Agents& agents, Dispatcher& dispatcher, Peers& peers)
      : store_(store), agents_(agents), dispatcher_(dispatcher), peers_(peers) {}

  absl::StatusOr<uint64_t> PositionOf(uint32_t partition) override;
  // Doesn't block: `done` runs on the store's thread, before anything follows from what
  // was stored, so that an agent has its acknowledgement before it is retired.
  void Write(RecordBatch batch, Done done) override;

  // What another scheduler has stored: for those who watch here, and for the sessions.
  void OnWritten(const v1::Written& written);

 private:
  // What is kept of a record until it is stored.
  struct Pending {
    std::string agent_id;
    std::string action_id;
    // Fit for the log; empty: none.
    std::string refusal;
    uint64_t rows = 0;
    uint64_t bytes = 0;
    int refusal_reason = -1;
    bool may_retire = false;
  };

  Pending Describe(const AgentRecord& record) const;
  void OnStored(const std::vector<Pending>& records, const std::vector<Appended>& appended,
                const Done& done);
  void NoteWorth(const std::string& agent_id, RecordWorth worth);

  Store& store_;
  Agents& agents_;
  Dispatcher& dispatcher_;
  Peers& peers_;
  RecordLog log_;
};

}  // namespace dragnet::scheduler
