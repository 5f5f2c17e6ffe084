// Everything that is stored of all actions as the events of one stream, from a
// cursor on: for Tail and for the exports of scheduler.toml. Reads when it is asked, a
// batch at a time, and remembers no more than where it stands and which actions
// it has told of.
//
// Blocks while it reads; belongs to one thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dragnet/v1/investigator.pb.h"
#include "modules/events/cursor.h"
#include "scheduler/store/retention.h"
#include "scheduler/store/store.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {

class TailReader {
 public:
  // `after` as in TailRequest. InvalidArgument: not a cursor. FailedPrecondition: of
  // another store. Both parts outlive it.
  static absl::StatusOr<TailReader> Open(Store& store, Retention& retention,
                                         std::string_view after);

  // The next events, about `max_bytes` of what is stored, but at least one if there
  // is one. Before the first of an action, what there is to say of the action; of a
  // thousand actions, and then anew. FailedPrecondition: retention removed what was
  // to come next.
  absl::StatusOr<std::vector<v1::TailEvent>> Next(size_t max_bytes);

  // Behind the last event that Next gave.
  std::string cursor() const { return events::FormatCursor(at_); }

 private:
  TailReader(Store& store, Retention& retention, const events::Cursor& at)
      : store_(&store), retention_(&retention), at_(at) {}

  absl::Status TellOf(const std::string& action_id, std::vector<v1::TailEvent>* events);
  v1::TailEvent EventOf(ActionChange change, const events::Cursor& at) const;

  Store* store_;
  Retention* retention_;
  events::Cursor at_;
  struct Told {
    // Of the operations.
    std::vector<std::string> modules;
    // Of a sweep.
    std::vector<SweepCheck> checks;
  };
  absl::flat_hash_map<std::string, Told> told_;
};

}  // namespace dragnet::scheduler
