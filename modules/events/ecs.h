// What the stream of everything carries, as JSON objects of the Elastic Common
// Schema (ECS 8.11): one for each row, each state of an agent, and each action.
// What ECS has a field for is there; the whole row is, as the module has it,
// under dragnet.MODULE.
//
// Everything from a host is hostile here: rows are parsed with a bound on their size
// and depth; what doesn't parse, or becomes too large, is an event that says so
// (event.kind pipeline_error), never one that is missing.
//
// An EcsMapper belongs to one thread at a time.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/facts.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "modules/check/check.pb.h"
#include "modules/events/document.h"

namespace dragnet::events {

inline constexpr char kEcsVersion[] = "8.11.0";
// Of one event as JSON. One that would be larger says so in place of its row.
inline constexpr size_t kMaxEventBytes = 1024 * 1024;

class EcsMapper {
 public:
  // A line without its end. Not OK: the rest isn't wanted, and Map returns it.
  using Sink = std::function<absl::Status(std::string json)>;

  // One event of the stream as 0 or more lines. `facts` of the agent that it is of;
  // null when they aren't known. Of the actions that were in the stream (as
  // TailEvent.action) it remembers the last ones: up to 4096, and 64 MiB.
  absl::Status Map(const v1::TailEvent& event, const v1::Facts* facts, const Sink& sink);

  // In place of Map: verdicts on checks, and changes of them, as MIG's compliance items.
  // Other events, and checks that don't apply, are none.
  absl::Status MapCompliance(const v1::TailEvent& event, const Sink& sink);

  // Of the documents of actions, about.
  size_t remembered_bytes() const { return parsed_bytes_; }

  // Says that events are missing, and why: event.kind pipeline_error.
  static std::string GapEvent(std::string_view cursor, std::string_view why, absl::Time now);

 private:
  struct Pack {
    // Its operation in the action.
    uint32_t operation = 0;
    // Without what its checks run.
    check::v1::CheckParameters checks;
  };
  // What an envelope says. Runs of a sweep are actions of their own with the same one.
  struct Parsed {
    v1::Action action;
    std::vector<Pack> packs;
    // Of the envelope, to know it again.
    size_t envelope_bytes = 0;
    size_t envelope_hash = 0;
    // About, in memory.
    size_t bytes = 0;
  };
  struct ActionFacts {
    std::string id;
    std::shared_ptr<const Parsed> parsed;
    // Names of who signed it, as the scheduler found; whoever launched it first if none.
    std::vector<std::string> signed_by;
    std::string launched_by;
    absl::Time launched_at;
  };
  struct FoundCheck {
    const check::v1::CheckParameters* pack = nullptr;
    const check::v1::Check* check = nullptr;
  };

  const ActionFacts* Remember(const v1::ActionInfo& info);
  // One that another run of the same sweep has, or a new one.
  std::shared_ptr<const Parsed> Parse(const v1::ActionInfo& info);
  void ForgetOldest();
  const ActionFacts* Find(const std::string& action_id) const;
  // `name` is a check's id, or "PACK/ID" or "OPERATION/ID" where several have it. Nulls
  // when there is none.
  static FoundCheck FindCheck(const ActionFacts* action, std::string_view name);
  // As a row has it: of this operation, and no other one's check of that id.
  static FoundCheck FindCheckOfRow(const ActionFacts* action, uint32_t operation,
                                   std::string_view id);
  static void SetRule(const FoundCheck& found, std::string_view name, std::string_view status,
                      Document* document);

  // What every event has.
  Document Begin(const v1::TailEvent& event, const ActionFacts* action) const;
  absl::Status MapRows(const v1::TailEvent& event, const v1::Facts* facts, const Sink& sink);
  absl::Status MapState(const v1::TailEvent& event, const v1::Facts* facts, const Sink& sink);
  absl::Status MapSweepChange(const v1::TailEvent& event, const v1::Facts* facts, const Sink& sink);
  absl::Status MapAction(const v1::TailEvent& event, const Sink& sink);

  std::map<std::string, ActionFacts> actions_;
  std::deque<std::string> order_;
  // By the id of the sweep or action.
  std::map<std::string, std::weak_ptr<const Parsed>> parsed_;
  // Of what actions_ refers to, each once.
  size_t parsed_bytes_ = 0;
};

}  // namespace dragnet::events
