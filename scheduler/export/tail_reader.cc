#include "scheduler/export/tail_reader.h"

#include <utility>

#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/api/sweeps.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxTold = 1000;

}  // namespace

absl::StatusOr<TailReader> TailReader::Open(Store& store, Retention& retention,
                                            std::string_view after) {
  events::Cursor at;
  DRAGNET_ASSIGN_OR_RETURN(const uint64_t identity, store.StreamIdentity());
  if (after.empty() || after == "0") {
    DRAGNET_ASSIGN_OR_RETURN(const StreamPosition position,
                             after.empty() ? store.StreamEnd() : store.StreamBegin());
    at = {.store = identity, .position = position.position, .removal = position.removal};
    return TailReader(store, retention, at);
  }
  DRAGNET_ASSIGN_OR_RETURN(at, events::ParseCursor(after));
  if (at.store != identity)
    return absl::FailedPreconditionError(
        StrCat("the cursor ", after,
               " is of another store: of another fleet, or of this one before its store was "
               "restored from a backup. Begin again from \"oldest\", or from \"now\""));
  return TailReader(store, retention, at);
}

absl::Status TailReader::TellOf(const std::string& action_id, std::vector<v1::TailEvent>* events) {
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction action, store_->FindAction(action_id));
  // One that doesn't parse (a damaged one, or of a later version) must not hold up
  // all others: then it has no name, and its rows no module.
  v1::Action parsed;
  const absl::StatusOr<v1::Envelope> envelope = ParseEnvelope(action.envelope, kActionPayloadType);
  if (envelope.ok()) parsed = ParseAction(envelope->payload()).value_or(v1::Action());
  DRAGNET_ASSIGN_OR_RETURN(const Retained retained, retention_->Of(action_id));
  v1::TailEvent& event = events->emplace_back();
  // Of the event before: who goes on from here is told of the action once more.
  event.set_cursor(cursor());
  event.set_action_id(action_id);
  v1::ActionInfo* info = event.mutable_action();
  info->set_action_id(action_id);
  info->set_name(parsed.name());
  info->set_envelope(action.envelope);
  info->set_launched_by(action.launched_by);
  for (const std::string& signer : action.signed_by) info->add_signed_by(signer);
  *info->mutable_launched_at() = ToTimestamp(action.launched_at);
  *info->mutable_expires() = ToTimestamp(action.expires);
  info->set_cancelled(action.cancelled);
  if (retained.keep_until.has_value())
    *info->mutable_keep_until() = ToTimestamp(*retained.keep_until);
  if (retained.removed_at.has_value())
    *info->mutable_results_removed_at() = ToTimestamp(*retained.removed_at);
  if (told_.size() >= kMaxTold) told_.clear();
  Told& told = told_[action_id];
  for (const v1::Operation& operation : parsed.operations())
    told.modules.push_back(operation.module());
  if (parsed.has_recurrence() && !SweepOfRunId(action_id).has_value()) {
    const absl::StatusOr<SweepTerms> terms = SweepTerms::Of(parsed);
    if (terms.ok()) told.checks = terms->checks();
  }
  return absl::OkStatus();
}

v1::TailEvent TailReader::EventOf(ActionChange change, const events::Cursor& at) const {
  v1::TailEvent event;
  event.set_cursor(events::FormatCursor(at));
  event.set_action_id(change.action_id);
  if (change.stored_at != absl::InfinitePast())
    *event.mutable_stored_at() = ToTimestamp(change.stored_at);
  if (change.sweep_change.has_value()) {
    *event.mutable_sweep_change() =
        DescribeChange(*change.sweep_change, change.action_id, told_.at(change.action_id).checks);
    return event;
  }
  if (change.rows.has_value()) {
    v1::AgentRows* rows = event.mutable_rows();
    rows->set_agent_id(change.agent_id);
    rows->set_agent_name(change.agent_name);
    rows->set_operation(change.operation);
    const std::vector<std::string>& modules = told_.at(change.action_id).modules;
    if (change.operation < modules.size()) rows->set_module(modules[change.operation]);
    rows->mutable_rows()->Swap(change.rows->mutable_rows());
    return event;
  }
  v1::AgentState* state = event.mutable_agent_state();
  state->set_agent_id(change.agent_id);
  state->set_agent_name(change.agent_name);
  state->set_state(change.pair.state);
  for (OperationProgress& operation : change.pair.operations)
    if (operation.summary.has_value()) *state->add_summaries() = *std::move(operation.summary);
  if (change.pair.refusal.has_value()) *state->mutable_refusal() = *std::move(change.pair.refusal);
  state->set_rows(change.pair.rows());
  state->set_detail(change.pair.detail);
  return event;
}

absl::StatusOr<std::vector<v1::TailEvent>> TailReader::Next(size_t max_bytes) {
  DRAGNET_ASSIGN_OR_RETURN(
      AllChanges all,
      store_->ReadAllChanges({.position = at_.position, .removal = at_.removal}, max_bytes));
  at_.removal = all.next.removal;
  std::vector<v1::TailEvent> events;
  size_t told_bytes = 0;
  for (ActionChange& change : all.changes) {
    if (!told_.contains(change.action_id)) {
      // A document may have a megabyte, and each of thousands of small changes be of
      // another action. The rest is read again next time.
      if (told_bytes > max_bytes) break;
      DRAGNET_RETURN_IF_ERROR(TellOf(change.action_id, &events));
      told_bytes += events.back().ByteSizeLong();
    }
    at_.position = change.position;
    events.push_back(EventOf(std::move(change), at_));
  }
  return events;
}

}  // namespace dragnet::scheduler
