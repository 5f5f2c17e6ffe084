#include "console/sweeps/new_sweep.h"

#include "console/form/recurrence.h"
#include "console/form/values.h"
#include "console/investigation/action_builder.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "modules/weights.h"

namespace dragnet::console {
namespace {

absl::Status Wrong(std::string_view flag, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(flag, ": ", why));
}

absl::StatusOr<absl::Time> EndOf(const SweepPlan& plan, const absl::TimeZone& zone,
                                 absl::Time now) {
  absl::Time end = now + kDefaultSweepLifetime;
  if (!plan.until.empty()) {
    std::string ignored;
    if (absl::ParseTime("%Y-%m-%d", plan.until, zone, &end, &ignored)) {
      // Of a day its last second, also of one with 23 hours.
      end = zone.At(absl::CivilSecond(absl::ToCivilDay(end, zone) + 1)).trans - absl::Seconds(1);
    } else {
      const absl::StatusOr<absl::Time> time = ParseTime(plan.until, now);
      if (!time.ok()) return Wrong("--until", ToStd(time.status().message()));
      end = *time;
    }
  }
  if (end <= now) return Wrong("--until", StrCat(plan.until, " is past"));
  if (end > now + kMaxActionLifetime - kClockSkew) {
    return Wrong("--until",
                 StrCat(plan.until, ": more than 366 days from now; sign it anew before it ends"));
  }
  return end;
}

absl::Status SetJitter(const SweepPlan& plan, const Schedule& schedule,
                       v1::Recurrence* recurrence) {
  if (plan.jitter.empty()) return absl::OkStatus();
  const absl::StatusOr<absl::Duration> jitter = ParseDuration(plan.jitter);
  if (!jitter.ok()) return Wrong("--jitter", ToStd(jitter.status().message()));
  if (*jitter < absl::ZeroDuration() || *jitter > kMaxJitter)
    return Wrong("--jitter", StrCat(plan.jitter, ": from 0 to 24h"));
  if (*jitter >= schedule.ShortestInterval()) {
    return Wrong("--jitter", StrCat(plan.jitter, ": must be less than between two runs, which is ",
                                    DurationWords(schedule.ShortestInterval()), " (",
                                    schedule.Describe(), ")"));
  }
  *recurrence->mutable_jitter() = ToProtoDuration(*jitter);
  return absl::OkStatus();
}

absl::StatusOr<v1::Recurrence::Missed> MissedOf(const std::string& word) {
  if (word == "run-late") return v1::Recurrence::MISSED_RUN_LATE;
  if (word == "skip") return v1::Recurrence::MISSED_SKIP;
  return Wrong("--missed", StrCat("\"", word, "\" is neither run-late nor skip"));
}

}  // namespace

absl::StatusOr<v1::Action> SweepAction(const check::v1::CheckParameters& pack,
                                       const SweepPlan& plan, absl::Time now, BlobContents* blobs) {
  const absl::StatusOr<Schedule> schedule = Schedule::Parse(plan.every, plan.time_zone);
  if (!schedule.ok()) {
    return Wrong(absl::IsNotFound(schedule.status()) ? "--tz" : "--every",
                 ToStd(schedule.status().message()));
  }
  v1::Action action;
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time end, EndOf(plan, schedule->time_zone(), now));
  *action.mutable_not_before() = ToTimestamp(now - kClockSkew);
  *action.mutable_expires() = ToTimestamp(end);
  v1::Recurrence* recurrence = action.mutable_recurrence();
  recurrence->set_cron(schedule->cron());
  recurrence->set_time_zone(plan.time_zone);
  DRAGNET_RETURN_IF_ERROR(SetJitter(plan, *schedule, recurrence));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Recurrence::Missed missed, MissedOf(plan.missed));
  recurrence->set_missed(missed);
  if (!schedule->NextAfter(now).has_value())
    return Wrong("--every", StrCat(plan.every, ": such a time never comes"));
  if (Occurrences(action, now, 1).empty()) {
    return Wrong("--every",
                 StrCat(plan.every, ": doesn't come before it ends, ",
                        absl::FormatTime("%Y-%m-%d %H:%M %Z", end, schedule->time_zone()),
                        " (see --until)"));
  }
  action.set_name(Shorten(StrCat("sweep: ", pack.title().empty() ? pack.pack() : pack.title()),
                          kMaxActionName));
  v1::Operation* operation = action.add_operations();
  operation->set_module(std::string(kCheckModule));
  check::v1::CheckParameters parameters = pack;
  DRAGNET_RETURN_IF_ERROR(SetParameters(&parameters, operation, blobs));
  return action;
}

absl::StatusOr<v1::Action> ExtraRunOf(const v1::Action& sweep, absl::Duration lifetime,
                                      absl::Time now) {
  v1::Action action;
  action.set_id(NewUuidV7(now));
  action.set_fleet_id(sweep.fleet_id());
  action.set_name(Shorten(StrCat("extra run of ", sweep.name()), kMaxActionName));
  action.set_target(sweep.target());
  if (sweep.has_threat()) *action.mutable_threat() = sweep.threat();
  *action.mutable_not_before() = ToTimestamp(now - kClockSkew);
  *action.mutable_expires() = ToTimestamp(now + lifetime);
  *action.mutable_operations() = sweep.operations();
  if (sweep.has_dispatch()) *action.mutable_dispatch() = sweep.dispatch();
  action.set_extra_run_of(sweep.id());
  DRAGNET_RETURN_IF_ERROR(ValidateAction(action));
  return action;
}

}  // namespace dragnet::console
