#include "scheduler/dispatch/record_keeper.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "core/strings.h"
#include "core/text.h"
#include "scheduler/dispatch/retirement.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxLoggedText = 300;
// Of one message between schedulers.
constexpr int kMaxOutcomes = 4096;

std::string ForLog(std::string_view text) { return Shorten(ForTerminal(text), kMaxLoggedText); }

v1::Written::Outcome OutcomeOf(const std::string& agent_id, const std::string& action_id,
                               const Appended& appended, RecordWorth worth) {
  v1::Written::Outcome outcome;
  outcome.set_agent_id(agent_id);
  const bool is_run = !appended.run_id.empty();
  outcome.set_action_id(is_run ? appended.run_id : action_id);
  outcome.set_sweep_id(is_run ? action_id : appended.sweep_id);
  outcome.set_state(appended.state);
  outcome.set_over_bounds(worth == RecordWorth::kOverBounds);
  outcome.set_nothing_new(worth == RecordWorth::kNothingNew);
  return outcome;
}

}  // namespace

absl::StatusOr<uint64_t> RecordKeeper::PositionOf(uint32_t partition) {
  return store_.BusPosition(partition);
}

RecordKeeper::Pending RecordKeeper::Describe(const AgentRecord& record) const {
  Pending pending;
  const v1::ResultRecord& result = record.record;
  pending.agent_id = record.agent_id;
  pending.action_id = result.action_id();
  pending.rows = static_cast<uint64_t>(result.rows().rows_size());
  pending.bytes = result.ByteSizeLong();
  if (result.has_refusal()) {
    pending.refusal_reason = static_cast<int>(result.refusal().reason());
    pending.refusal = StrCat(v1::Refusal::Reason_Name(result.refusal().reason()), ": ",
                             ForLog(result.refusal().detail()));
  }
  pending.may_retire = MayEndRetirement(result) && dispatcher_.MayRetire(result.action_id());
  return pending;
}

void RecordKeeper::Write(RecordBatch batch, Done done) {
  // What another process says of when it came isn't believed if it can't be.
  if (batch.range.has_value()) {
    const absl::Time latest = dispatcher_.now() + kMaxClockAhead;
    for (AgentRecord& record : batch.records) record.received = std::min(record.received, latest);
  }
  std::vector<Pending> pending;
  pending.reserve(batch.records.size());
  for (const AgentRecord& record : batch.records) pending.push_back(Describe(record));
  // What is its own is not made slower by what others need.
  if (!batch.range.has_value() && batch.records.size() == 1) {
    AgentRecord& record = batch.records.front();
    const std::string agent_id = record.agent_id;
    store_.AppendRecord(agent_id, std::move(record.record), record.received,
                        [this, pending = std::move(pending),
                         done = std::move(done)](absl::StatusOr<Appended> appended) {
                          if (!appended.ok()) return done(appended.status());
                          OnStored(pending, {*std::move(appended)}, done);
                        });
    return;
  }
  store_.AppendRecords(
      std::move(batch.records), batch.range,
      [this, pending = std::move(pending),
       done = std::move(done)](absl::StatusOr<std::vector<Appended>> appended) {
        if (appended.ok() && appended->size() != pending.size())
          appended = absl::InternalError("the store answered for another number of records");
        if (!appended.ok()) return done(appended.status());
        OnStored(pending, *appended, done);
      });
}

void RecordKeeper::OnStored(const std::vector<Pending>& records,
                            const std::vector<Appended>& appended, const Done& done) {
  const bool alone = peers_.alone();
  v1::Written written;
  for (size_t i = 0; i < records.size(); ++i) {
    const Pending& record = records[i];
    const Appended& what = appended[i];
    Metrics& metrics = TheMetrics();
    if (what.duplicate) {
      metrics.records_repeated.Add();
    } else if (!what.dropped.ok()) {
      metrics.records_dropped.Add();
    } else {
      metrics.records_committed.Add();
      metrics.rows_committed.Add(record.rows);
      metrics.record_bytes_committed.Add(record.bytes);
      if (record.refusal_reason >= 0) metrics.refusals.Add(record.refusal_reason);
    }
    log_.Say(ForLog(record.action_id), record.agent_id, record.refusal, what);
    const RecordWorth worth = WorthOf(what, record.refusal);
    NoteWorth(record.agent_id, worth);
    if (alone) continue;
    *written.add_outcomes() = OutcomeOf(record.agent_id, record.action_id, what, worth);
  }
  // Queues the acknowledgement, which an agent that retires needs before it is revoked: it
  // destroys its identity then.
  done(absl::OkStatus());
  for (size_t i = 0; i < records.size(); ++i)
    if (records[i].may_retire && appended[i].dropped.ok())
      dispatcher_.RetireSoon(records[i].agent_id, records[i].action_id);
  if (alone) {
    for (size_t i = 0; i < records.size(); ++i)
      dispatcher_.OnStoredHere(records[i].agent_id, records[i].action_id, appended[i].run_id,
                               appended[i].sweep_id, appended[i].state);
    return;
  }
  dispatcher_.OnStored(written);
  if (written.outcomes_size() <= kMaxOutcomes) return peers_.TellWritten(std::move(written));
  v1::Written part;
  for (v1::Written::Outcome& outcome : *written.mutable_outcomes()) {
    *part.add_outcomes() = std::move(outcome);
    if (part.outcomes_size() == kMaxOutcomes) peers_.TellWritten(std::exchange(part, {}));
  }
  if (part.outcomes_size() > 0) peers_.TellWritten(std::move(part));
}

void RecordKeeper::NoteWorth(const std::string& agent_id, RecordWorth worth) {
  if (worth == RecordWorth::kSomething) return;
  // Of two hosts of one identity, no one can say whose it was.
  for (const auto& session : agents_.AllSessionsOf(agent_id)) session->NoteWorth(worth);
}

void RecordKeeper::OnWritten(const v1::Written& written) {
  for (const v1::Written::Outcome& outcome : written.outcomes()) {
    if (outcome.over_bounds()) {
      NoteWorth(outcome.agent_id(), RecordWorth::kOverBounds);
    } else if (outcome.nothing_new()) {
      NoteWorth(outcome.agent_id(), RecordWorth::kNothingNew);
    }
  }
  dispatcher_.OnStored(written);
}

}  // namespace dragnet::scheduler
