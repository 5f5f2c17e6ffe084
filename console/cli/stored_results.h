// What is stored of an action, read from the first record to the last, through
// lost connections. Not thread-safe.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/cli/interrupt.h"
#include "console/cli/row_selection.h"
#include "console/cli/session.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

// Takes what is read. An error ends the reading.
class ResultReader {
 public:
  virtual ~ResultReader() = default;
  // A row that the selection wants; `row` is only good for the call.
  virtual absl::Status OnRow(const v1::AgentRows& from, const google::protobuf::Message& row) = 0;
  // The state of an agent; a later one takes an earlier one's place.
  virtual absl::Status OnState(const v1::AgentState&) { return absl::OkStatus(); }
};

// Gives the counts of agents at the end. Cancelled: Ctrl-C came.
absl::StatusOr<v1::Progress> ReadStored(const v1::Action& action, RowSelection& rows,
                                        ResultReader& reader, const Interrupt& interrupt,
                                        Session& session);

// Whether an agent looked at everything that the action asks for.
bool LookedAtWhole(v1::DispatchState state);

// "found", "never-sent".
std::string StateWord(v1::DispatchState state);

}  // namespace dragnet::console
