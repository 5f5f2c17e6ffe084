#include "agent/monitor/standing_actions.h"

#include <algorithm>
#include <utility>

#include "agent/monitor/log.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"

namespace dragnet {
namespace {

// Jitter is shorter than the time between two occurrences, but around a change of
// the clocks two of them can be nearer to each other: then an earlier one may be due
// after a later one.
constexpr int kMaxStepsBack = 4;

std::string Format(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

absl::StatusOr<v1::Action> ReadAction(const std::string& envelope_bytes) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(envelope_bytes, kActionPayloadType));
  absl::StatusOr<v1::Action> action = ParseAction(envelope.payload());
  if (!absl::IsUnimplemented(action.status())) return action;
  // It stands without its time zone, too: all else must be right.
  v1::Action without_zone;
  DRAGNET_RETURN_IF_ERROR(ParseStrict(envelope.payload(), kMaxActionBytes, &without_zone));
  v1::Action in_utc = without_zone;
  in_utc.mutable_recurrence()->set_time_zone("UTC");
  DRAGNET_RETURN_IF_ERROR(ValidateAction(in_utc));
  return without_zone;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StandingActions>> StandingActions::Load(StateStore& store,
                                                                       std::string_view agent_id,
                                                                       OrderBook* orders) {
  std::unique_ptr<StandingActions> actions(new StandingActions(store, agent_id));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredStanding> stored, store.Standing());
  for (const StoredStanding& row : stored) {
    // Held back is held back, whoever trusts its signer by now: an order is kept as
    // it was obeyed, and can only keep the action from running.
    if (!row.order.order_id.empty()) orders->Restore(row.action_id, row.order);
    absl::StatusOr<v1::Action> action = ReadAction(row.envelope);
    if (action.ok() && action->id() != row.action_id) {
      action = absl::DataLossError("its envelope is of another action");
    }
    absl::Status status = action.status();
    if (status.ok()) {
      status = actions->Add(*std::move(action), row.envelope, row.taken_at, row.last_occurrence,
                            row.refused);
    }
    if (status.ok()) continue;
    DRAGNET_RETURN_IF_ERROR(store.RemoveStanding(row.action_id));
    actions->news_.push_back(
        {row.action_id, row.envelope, v1::Refusal::REASON_UNSUPPORTED,
         StrCat("this agent can't read it any more and forgot it: ", status.message())});
  }
  return actions;
}

absl::Status StandingActions::Add(v1::Action action, std::string envelope, absl::Time taken_at,
                                  absl::Time last_occurrence, v1::Refusal::Reason refused) {
  const v1::Recurrence& recurrence = action.recurrence();
  if (!action.has_recurrence()) return absl::InvalidArgumentError("it has no recurrence");
  absl::StatusOr<Schedule> schedule = Schedule::Parse(recurrence.cron(), recurrence.time_zone());
  // It stands all the same: it may be cancelled and paused while it waits for its zone.
  const bool has_zone = !absl::IsNotFound(schedule.status());
  if (has_zone && !schedule.ok()) return schedule.status();
  if (!has_zone) {
    news_.push_back({action.id(), envelope, v1::Refusal::REASON_UNSUPPORTED,
                     StrCat("stands still: ", schedule.status().message())});
  }
  const absl::Time expires = *ToTime(action.expires());
  Standing standing{
      .envelope = std::move(envelope),
      .action = action,
      .schedule = has_zone ? std::optional(*std::move(schedule)) : std::nullopt,
      .from = std::max(*ToTime(action.not_before()), taken_at),
      .until = recurrence.has_until() ? std::min(*ToTime(recurrence.until()), expires) : expires,
      .expires = expires,
      .last_occurrence = last_occurrence,
      .refused = refused,
      .due = std::nullopt};
  standing_.insert_or_assign(action.id(), std::move(standing));
  return absl::OkStatus();
}

const v1::Action* StandingActions::Find(std::string_view action_id) const {
  const auto found = standing_.find(action_id);
  return found == standing_.end() ? nullptr : &found->second.action;
}

std::string_view StandingActions::EnvelopeOf(std::string_view action_id) const {
  const auto found = standing_.find(action_id);
  return found == standing_.end() ? std::string_view() : found->second.envelope;
}

std::string StandingActions::IdOf(std::string_view envelope) const {
  for (const auto& [id, standing] : standing_) {
    if (standing.envelope == envelope) return id;
  }
  return "";
}

size_t StandingActions::Count(const std::function<bool(std::string_view)>& is_such) const {
  return static_cast<size_t>(
      std::count_if(standing_.begin(), standing_.end(),
                    [&](const auto& entry) { return is_such(entry.second.envelope); }));
}

absl::Status StandingActions::Take(v1::Action action, const std::string& envelope, absl::Time now,
                                   const OrderBook::InForce* order) {
  StoredStanding row;
  row.action_id = action.id();
  row.envelope = envelope;
  row.taken_at = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  if (order != nullptr) row.order = *order;
  DRAGNET_RETURN_IF_ERROR(store_.TakeStanding(row, now));
  return Add(std::move(action), envelope, row.taken_at, row.last_occurrence, row.refused);
}

void StandingActions::Put(std::string_view action_id, const OrderBook::InForce& order) {
  if (!standing_.contains(action_id)) return;
  unsaved_orders_.insert_or_assign(std::string(action_id), order);
  WriteWhatWaits();
}

void StandingActions::Cancel(std::string_view action_id) {
  const auto found = standing_.find(action_id);
  if (found == standing_.end()) return;
  standing_.erase(found);
  unsaved_orders_.erase(std::string(action_id));
  unsaved_cancellations_.emplace_back(action_id);
  WriteWhatWaits();
}

void StandingActions::WriteWhatWaits() {
  std::erase_if(unsaved_cancellations_,
                [this](const std::string& id) { return store_.CancelStanding(id).ok(); });
  std::erase_if(unsaved_orders_, [this](const auto& entry) {
    return store_.SaveStandingOrder(entry.first, entry.second).ok();
  });
}

absl::Time StandingActions::DueTime(const Standing& standing, absl::Time occurrence) const {
  return occurrence + JitterOf(standing.action.id(), agent_id_, occurrence,
                               ToDuration(standing.action.recurrence().jitter()));
}

std::optional<absl::Time> StandingActions::LatestDue(const Standing& standing,
                                                     absl::Time now) const {
  std::optional<absl::Time> occurrence =
      standing.schedule->LastAtOrBefore(std::min(now, standing.until));
  for (int step = 0; step < kMaxStepsBack && occurrence.has_value(); ++step) {
    if (*occurrence <= standing.last_occurrence || *occurrence < standing.from) break;
    if (DueTime(standing, *occurrence) <= now) return occurrence;
    occurrence = standing.schedule->LastAtOrBefore(*occurrence - absl::Seconds(1));
  }
  return std::nullopt;
}

// Of those that have passed and wait for their jitter, and the next one.
absl::Time StandingActions::NextDue(const Standing& standing, absl::Time now) const {
  absl::Time next_due = absl::InfiniteFuture();
  std::optional<absl::Time> occurrence =
      standing.schedule->NextAfter(std::max(now, standing.from - absl::Seconds(1)));
  for (int step = 0; step <= kMaxStepsBack && occurrence.has_value(); ++step) {
    if (*occurrence < standing.from) break;
    const absl::Time due = DueTime(standing, *occurrence);
    if (*occurrence <= standing.until && due > now) next_due = std::min(next_due, due);
    occurrence = standing.schedule->LastAtOrBefore(*occurrence - absl::Seconds(1));
  }
  return next_due;
}

bool StandingActions::IsOver(const Standing& standing, absl::Time now, bool paused) {
  if (now > standing.expires) return true;
  // What became due at the end and waits for its turn or to be resumed still runs.
  return now > standing.until + kMaxJitter && !standing.due.has_value() && !paused;
}

void StandingActions::Look(absl::Time now, const OrderBook& orders) {
  if (!unsaved_orders_.empty() || !unsaved_cancellations_.empty()) WriteWhatWaits();
  for (auto entry = standing_.begin(); entry != standing_.end();) {
    TellOfClock(entry->first, entry->second, now);
    const bool paused = orders.IsPaused(entry->first);
    const std::optional<absl::Time> lost = Lost(entry->second, now);
    LookAt(entry->first, entry->second, now, paused);
    if (IsOver(entry->second, now, paused) && store_.RemoveStanding(entry->first).ok()) {
      LogInfo(StrCat("recurring action ", entry->first, " is over"), entry->first);
      if (lost.has_value()) {
        news_.push_back(
            {entry->first, entry->second.envelope, v1::Refusal::REASON_EXPIRED,
             StrCat("expired on ", Format(entry->second.expires), " before the occurrence of ",
                    Format(*lost), " was begun; this host's clock says ", Format(now))});
      }
      unsaved_orders_.erase(entry->first);
      entry = standing_.erase(entry);
    } else {
      ++entry;
    }
  }
}

void StandingActions::LookAt(const std::string& id, Standing& standing, absl::Time now,
                             bool paused) {
  if (paused) {
    // What became due was missed; which of it still runs is decided when it goes on.
    standing.due.reset();
    standing.looked_at = absl::InfiniteFuture();
    standing.next_due = absl::InfinitePast();
    return;
  }
  if (!standing.schedule.has_value() && !FindSchedule(id, standing)) return;
  if (now >= standing.looked_at && now < standing.next_due) return;
  standing.looked_at = now;
  standing.next_due = NextDue(standing, now);
  // The clock was set back.
  if (standing.due.has_value() && DueTime(standing, *standing.due) > now) standing.due.reset();
  const std::optional<absl::Time> due = LatestDue(standing, now);
  if (!due.has_value() || (standing.due.has_value() && *due <= *standing.due)) return;
  const bool missed = now - DueTime(standing, *due) > kOnTime;
  if (missed && standing.action.recurrence().missed() == v1::Recurrence::MISSED_SKIP) {
    LogInfo(StrCat("recurring action ", id, ": an occurrence was missed and is left out"), id);
    // Without room for it on the disk it is found again, and left out again.
    if (store_.AdvanceStanding(id, *due, standing.refused).ok()) standing.last_occurrence = *due;
    return;
  }
  standing.due = due;
}

// At most once is kept whatever the clock did, so occurrences can be lost: that is said.
void StandingActions::TellOfClock(const std::string& id, Standing& standing, absl::Time now) {
  const bool is_ahead = standing.last_occurrence > now + kMaxClockAhead;
  if (is_ahead && !standing.is_ahead) {
    news_.push_back(
        {id, standing.envelope, v1::Refusal::REASON_NOT_YET_VALID,
         StrCat("this host's clock was ahead: the occurrence of ", Format(standing.last_occurrence),
                " was begun or passed over, and until then none "
                "runs; this clock says ",
                Format(now))});
  }
  standing.is_ahead = is_ahead;
}

// What expires before it was begun.
std::optional<absl::Time> StandingActions::Lost(const Standing& standing, absl::Time now) const {
  if (now <= standing.expires || !standing.schedule.has_value()) return std::nullopt;
  return LatestDue(standing, now);
}

bool StandingActions::FindSchedule(const std::string& id, Standing& standing) {
  const v1::Recurrence& recurrence = standing.action.recurrence();
  absl::StatusOr<Schedule> schedule = Schedule::Parse(recurrence.cron(), recurrence.time_zone());
  if (!schedule.ok()) return false;
  LogInfo(StrCat("recurring action ", id, ": this host has its time zone again"), id);
  standing.schedule = *std::move(schedule);
  return true;
}

std::vector<StandingActions::Due> StandingActions::WhatIsDue() const {
  std::vector<Due> all;
  for (const auto& [id, standing] : standing_) {
    if (standing.due.has_value()) all.push_back({id, *standing.due});
  }
  return all;
}

absl::Status StandingActions::Begin(const Due& due) {
  const auto found = standing_.find(due.action_id);
  if (found == standing_.end()) return absl::NotFoundError("it stands no longer");
  Standing& standing = found->second;
  const absl::Status begun =
      store_.BeginOccurrence(due.action_id, due.occurrence, standing.action.operations_size());
  // The store is right: then it isn't to be begun again either.
  if (!begun.ok() && !absl::IsAlreadyExists(begun)) return begun;
  standing.last_occurrence = std::max(standing.last_occurrence, due.occurrence);
  standing.due.reset();
  if (begun.ok()) standing.refused = v1::Refusal::REASON_UNSPECIFIED;
  return begun;
}

absl::StatusOr<bool> StandingActions::PassOver(const Due& due, v1::Refusal::Reason reason) {
  const auto found = standing_.find(due.action_id);
  if (found == standing_.end()) return absl::NotFoundError("it stands no longer");
  Standing& standing = found->second;
  DRAGNET_RETURN_IF_ERROR(store_.AdvanceStanding(due.action_id, due.occurrence, reason));
  standing.last_occurrence = due.occurrence;
  standing.due.reset();
  return std::exchange(standing.refused, reason) != reason;
}

absl::Duration StandingActions::UntilNextLook(absl::Time now) const {
  absl::Duration wait = absl::InfiniteDuration();
  for (const auto& [id, standing] : standing_) {
    wait = std::min(wait, kLookInterval);
    // One that is paused is looked at when it is resumed.
    if (standing.next_due == absl::InfinitePast()) continue;
    wait = std::min(wait, std::max(standing.next_due - now, absl::ZeroDuration()));
  }
  if (!unsaved_orders_.empty() || !unsaved_cancellations_.empty()) {
    wait = std::min(wait, absl::Seconds(1));
  }
  return wait;
}

}  // namespace dragnet
