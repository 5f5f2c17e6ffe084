#include "scheduler/store/sweep_terms.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "modules/check/check.pb.h"

namespace dragnet::scheduler {
namespace {

constexpr std::string_view kCheckModule = "check";
constexpr size_t kUuidBytes = 36;
constexpr size_t kMaxSecondsDigits = 12;  // to the year 9999
// After an occurrence and its jitter, for the run itself and its way here.
constexpr absl::Duration kTimeToTell = absl::Minutes(30);

std::string Words(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", time, absl::UTCTimeZone());
}

// Those that can't be read have none: no agent runs them.
check::v1::CheckParameters PackOf(const v1::Operation& operation) {
  check::v1::CheckParameters pack;
  if (operation.module() != kCheckModule ||
      !ParseStrict(operation.parameters(), kMaxParameterBytes, &pack).ok())
    pack.Clear();
  return pack;
}

// The first of these that no other check has.
void NameChecks(std::vector<SweepCheck>* checks) {
  std::map<std::string, int> ids;
  std::map<std::string, int> in_packs;
  for (const SweepCheck& check : *checks) {
    ++ids[check.id];
    ++in_packs[StrCat(check.pack, "/", check.id)];
  }
  for (SweepCheck& check : *checks) {
    const std::string in_pack = StrCat(check.pack, "/", check.id);
    check.name = ids[check.id] == 1       ? check.id
                 : in_packs[in_pack] == 1 ? in_pack
                                          : StrCat(check.operation, "/", check.id);
  }
}

}  // namespace

std::string RunId(std::string_view sweep_id, int64_t occurrence) {
  return StrCat(sweep_id, "@", occurrence);
}

std::optional<std::string> SweepOfRunId(std::string_view id) {
  if (id.size() <= kUuidBytes + 1 || id[kUuidBytes] != '@') return std::nullopt;
  const std::string_view seconds = id.substr(kUuidBytes + 1);
  if (seconds.size() > kMaxSecondsDigits || seconds[0] == '0' ||
      !std::all_of(seconds.begin(), seconds.end(), [](char c) { return c >= '0' && c <= '9'; }) ||
      !IsUuid(id.substr(0, kUuidBytes)))
    return std::nullopt;
  return std::string(id.substr(0, kUuidBytes));
}

bool IsActionId(std::string_view id) { return IsUuid(id) || SweepOfRunId(id).has_value(); }

absl::StatusOr<SweepTerms> SweepTerms::Of(const v1::Action& action) {
  const v1::Recurrence& recurrence = action.recurrence();
  DRAGNET_ASSIGN_OR_RETURN(Schedule schedule,
                           Schedule::Parse(recurrence.cron(), recurrence.time_zone()));
  SweepTerms terms(std::move(schedule));
  DRAGNET_ASSIGN_OR_RETURN(terms.begin_, ToTime(action.not_before()));
  DRAGNET_ASSIGN_OR_RETURN(terms.end_, ToTime(action.expires()));
  if (recurrence.has_until()) {
    DRAGNET_ASSIGN_OR_RETURN(const absl::Time until, ToTime(recurrence.until()));
    terms.end_ = std::min(terms.end_, until);
  }
  terms.jitter_ = ToDuration(recurrence.jitter());
  for (int i = 0; i < action.operations_size(); ++i) {
    auto& numbers = terms.by_operation_.emplace_back();
    const check::v1::CheckParameters pack = PackOf(action.operations(i));
    for (const check::v1::Check& check : pack.checks()) {
      if (!numbers.emplace(check.id(), static_cast<uint32_t>(terms.checks_.size())).second)
        continue;
      terms.checks_.push_back({.name = "",
                               .id = check.id(),
                               .title = check.title(),
                               .severity = check.severity(),
                               .pack = pack.pack(),
                               .pack_version = pack.version(),
                               .references = {check.references().begin(), check.references().end()},
                               .operation = static_cast<uint32_t>(i)});
    }
  }
  NameChecks(&terms.checks_);
  return terms;
}

absl::StatusOr<SweepTerms> SweepTerms::OfEnvelope(std::string_view envelope) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope parsed, ParseEnvelope(envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action action, ParseAction(parsed.payload()));
  if (!action.has_recurrence())
    return absl::InvalidArgumentError(StrCat("action ", action.id(), " has no recurrence"));
  return Of(action);
}

absl::Status SweepTerms::CheckOccurrence(int64_t occurrence, absl::Time now) const {
  const absl::Time time = absl::FromUnixSeconds(occurrence);
  if (time < begin_ || time > end_)
    return absl::InvalidArgumentError(StrCat("occurrence ", occurrence,
                                             ", but the sweep runs from ", Words(begin_), " to ",
                                             Words(end_)));
  if (time > now + kMaxClockAhead)
    return absl::InvalidArgumentError(
        StrCat("occurrence ", occurrence, " (", Words(time), ") is in the future"));
  if (!schedule_.Holds(time))
    return absl::InvalidArgumentError(StrCat("occurrence ", occurrence, " (", Words(time),
                                             ") is none of the schedule \"", schedule_.cron(),
                                             "\" in ", schedule_.time_zone().name()));
  return absl::OkStatus();
}

std::optional<absl::Time> SweepTerms::NextAfter(absl::Time now) const {
  const std::optional<absl::Time> next =
      schedule_.NextAfter(std::max(now, begin_ - absl::Nanoseconds(1)));
  return next.has_value() && *next <= end_ ? next : std::nullopt;
}

std::vector<absl::Time> SweepTerms::Due(absl::Time now, int count, absl::Time after) const {
  std::vector<absl::Time> due;
  absl::Time before = std::min(now - jitter_ - kTimeToTell, end_);
  while (static_cast<int>(due.size()) < count) {
    const std::optional<absl::Time> last = schedule_.LastAtOrBefore(before);
    if (!last.has_value() || *last < begin_ || *last <= after) break;
    due.push_back(*last);
    before = *last - absl::Seconds(1);
  }
  return due;
}

std::optional<uint32_t> SweepTerms::FindCheck(uint32_t operation, std::string_view id) const {
  if (operation >= by_operation_.size()) return std::nullopt;
  const auto found = by_operation_[operation].find(ToAbsl(id));
  if (found == by_operation_[operation].end()) return std::nullopt;
  return found->second;
}

bool SameOperations(const v1::Action& a, const v1::Action& b) {
  return std::equal(a.operations().begin(), a.operations().end(), b.operations().begin(),
                    b.operations().end(), [](const v1::Operation& x, const v1::Operation& y) {
                      return x.SerializeAsString() == y.SerializeAsString();
                    });
}

}  // namespace dragnet::scheduler
