// What the monitor does about recurring actions: takes them on, and has each occurrence
// authorised and begun when agent/monitor/standing_actions.h says that it is due.
#include <algorithm>
#include <utility>

#include "agent/monitor/log.h"
#include "agent/monitor/monitor.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet {

absl::Status Monitor::TakeOnStanding(AuthorizedAction authorized, const std::string& envelope) {
  if (standing_->size() >= StandingActions::kMaxStanding) {
    return absl::ResourceExhaustedError(
        StrCat(StandingActions::kMaxStanding, " recurring actions stand here already"));
  }
  const size_t theirs = standing_->Count([&](std::string_view other) {
    const auto parsed = ParseEnvelope(other, kActionPayloadType);
    return parsed.ok() && policy_->Signers(*parsed) == authorized.signers;
  });
  if (theirs >= StandingActions::kMaxOfSigners) {
    return absl::ResourceExhaustedError(StrCat(StandingActions::kMaxOfSigners,
                                               " recurring actions of the same signers stand here "
                                               "already"));
  }
  v1::Action& action = authorized.action;
  const std::string id = action.id();
  const std::string name = action.name();
  DRAGNET_RETURN_IF_ERROR(
      standing_->Take(std::move(action), envelope, clock_.Now(), orders_.Find(id)));
  LogInfo(StrCat("recurring action ", id, " taken on: ", name), id);
  SayAccepted(id);
  AdvanceActions();
  return absl::OkStatus();
}

void Monitor::StartOccurrences() {
  // During a trial: what is due then begins after it, in the version that comes up.
  if (link_.held()) return;
  standing_->Look(clock_.Now(), orders_);
  for (const StandingActions::News& news : standing_->TakeNews()) {
    Refuse(news.envelope, news.action_id, news.reason, news.detail);
  }
  for (const StandingActions::Due& due : standing_->WhatIsDue()) {
    const bool one_runs = std::any_of(actions_.begin(), actions_.end(), [&](const auto& run) {
      return run->action.id() == due.action_id;
    });
    if (one_runs || actions_.size() >= kMaxActions) continue;
    StartOccurrence(due);
  }
}

// What targets are asked of may have changed since the agent was started: a release is
// upgraded, a host renamed.
void Monitor::LookAtHostAgain() {
  if (!environment_.look_at_host) return;
  v1::Facts facts = environment_.look_at_host();
  facts.mutable_addresses()->Swap(environment_.facts.mutable_addresses());
  AddOwnFacts(environment_.facts.id(), &facts);
  environment_.facts = std::move(facts);
}

void Monitor::StartOccurrence(const StandingActions::Due& due) {
  const std::string envelope(standing_->EnvelopeOf(due.action_id));
  const int64_t occurrence = absl::ToUnixSeconds(due.occurrence);
  LookAtHostAgain();
  // Anew, as if it came now: what was so when it was taken on may be so no longer.
  auto decision = AuthorizeAction(envelope, Authorization());
  if (const auto* refused = std::get_if<RefusedAction>(&decision)) {
    const absl::StatusOr<bool> is_news = standing_->PassOver(due, refused->reason);
    if (!is_news.ok()) disk_full_ = true;
    if (is_news.ok() && *is_news) {
      Refuse(envelope, due.action_id, refused->reason, refused->detail, occurrence);
    }
    return;
  }
  if (const absl::Status begun = standing_->Begin(due); !begun.ok()) {
    if (!disk_full_told_) {
      LogWarning(StrCat("an occurrence of action ", due.action_id, " waits: ", begun.message()),
                 due.action_id);
    }
    disk_full_ = true;
    disk_full_told_ = true;
    return;
  }
  LogInfo(StrCat("action ", due.action_id, ": occurrence ", occurrence, " begins"), due.action_id);
  auto run = std::make_unique<ActionRun>();
  run->action = std::move(std::get<AuthorizedAction>(decision).action);
  run->envelope = envelope;
  run->occurrence = occurrence;
  actions_.push_back(std::move(run));
  busy_ = true;
}

}  // namespace dragnet
