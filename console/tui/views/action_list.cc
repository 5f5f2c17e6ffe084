#include "console/tui/views/action_list.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "console/investigation/lookup.h"
#include "console/investigation/summary.h"
#include "console/investigation/verification.h"
#include "console/tui/widgets/search.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

absl::Time TimeOr(bool set, const google::protobuf::Timestamp& timestamp, absl::Time otherwise) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return set && time.ok() ? *time : otherwise;
}

std::string ModulesOf(const v1::Action& action) {
  std::set<std::string> modules;
  for (const v1::Operation& operation : action.operations()) modules.insert(operation.module());
  return Shorten(absl::StrJoin(modules, ", "), ActionRow::kMostText);
}

// The first thing that is missing.
std::string WhatIsMissing(const ActionVerification& verification) {
  for (const std::string& problem : verification.problems)
    if (!problem.empty()) return Shorten(problem, ActionRow::kMostText);
  for (const std::string& missing : verification.missing)
    if (!missing.empty()) return Shorten(missing, ActionRow::kMostText);
  return "";
}

void TakeDocument(const v1::Action& action, ActionRow* row) {
  row->name = Shorten(action.name(), ActionRow::kMostText);
  row->modules = ModulesOf(action);
  row->target = Shorten(action.target(), ActionRow::kMostTarget);
}

// What is shown of it can't be believed, so nothing of it is.
void SayBroken(std::string_view problem, const v1::ActionInfo& info, ActionRow* row) {
  row->signature = ActionRow::Signed::kBroken;
  row->problem = Shorten(problem, ActionRow::kMostText);
  row->name = Shorten(info.name(), ActionRow::kMostText);
}

bool IsNewer(const ActionRow& a, const ActionRow& b) {
  return a.launched_at != b.launched_at ? a.launched_at > b.launched_at : a.id > b.id;
}

}  // namespace

ActionRow ActionRowOf(const v1::ActionInfo& info, const TrustPolicy* policy,
                      const ModuleCatalog& modules, absl::Time now) {
  ActionRow row;
  row.id = Shorten(info.action_id(), ActionRow::kMostText);
  row.launched_by = Shorten(info.launched_by(), ActionRow::kMostText);
  row.launched_at = TimeOr(info.has_launched_at(), info.launched_at(), absl::InfinitePast());
  row.expires = TimeOr(info.has_expires(), info.expires(), absl::InfiniteFuture());
  row.phase = info.phase();
  row.phase_reason = Shorten(info.phase_reason(), ActionRow::kMostText);
  row.progress = info.progress();
  const absl::StatusOr<v1::ActionInfo> checked = CheckedInfo(info);
  if (!checked.ok()) {
    SayBroken(ToStd(checked.status().message()), info, &row);
    return row;
  }
  if (policy == nullptr) {
    TakeDocument(*DecodeAction(info.envelope()), &row);
    return row;
  }
  const absl::StatusOr<ActionVerification> verification =
      VerifyAction(info.envelope(), *policy, modules, now);
  if (!verification.ok()) {
    SayBroken(ToStd(verification.status().message()), info, &row);
    return row;
  }
  TakeDocument(verification->action, &row);
  row.signers = Shorten(absl::StrJoin(verification->signers, ", "), ActionRow::kMostText);
  row.problem = WhatIsMissing(*verification);
  row.signature = verification->signers.empty() ? ActionRow::Signed::kNoOne
                  : verification->authorized()  ? ActionRow::Signed::kEnough
                                                : ActionRow::Signed::kTooLittle;
  return row;
}

std::string SignedText(const ActionRow& row) {
  switch (row.signature) {
    case ActionRow::Signed::kNotVerified:
      return "not verified";
    case ActionRow::Signed::kNoOne:
      return "✗ unsigned";
    case ActionRow::Signed::kBroken:
      return "✗ broken";
    default:
      return row.signers;
  }
}

Style SignedStyle(const ActionRow& row) {
  switch (row.signature) {
    case ActionRow::Signed::kNotVerified:
      return kMuted;
    case ActionRow::Signed::kEnough:
      return kNormal;
    case ActionRow::Signed::kTooLittle:
      return kWarning;
    default:
      return kError;
  }
}

std::string SignedWords(const ActionRow& row) {
  switch (row.signature) {
    case ActionRow::Signed::kNotVerified:
      return "not verified: no trust policy yet";
    case ActionRow::Signed::kEnough:
      return StrCat(row.signers, ": enough weight");
    case ActionRow::Signed::kTooLittle:
      return StrCat(row.signers, ": agents refuse it: ", row.problem);
    case ActionRow::Signed::kNoOne:
      return "✗ unsigned: no one in the trust policy signed what the scheduler shows";
    case ActionRow::Signed::kBroken:
      return StrCat("✗ broken: ", row.problem);
  }
  return "";
}

std::string_view NamePrefix(const ActionRow& row) {
  if (row.signature == ActionRow::Signed::kNoOne) return "✗ unsigned: ";
  if (row.signature == ActionRow::Signed::kBroken) return "✗ broken: ";
  const bool waits_for_signatures =
      row.phase == v1::DISPATCH_PHASE_PROPOSED || row.phase == v1::DISPATCH_PHASE_REFUSED;
  if (row.signature == ActionRow::Signed::kTooLittle && !waits_for_signatures)
    return "! too little weight: ";
  return "";
}

Style PhaseStyle(v1::DispatchPhase phase) {
  switch (phase) {
    case v1::DISPATCH_PHASE_OPEN:
    case v1::DISPATCH_PHASE_CANARY:
      return {Role::kRunning};
    case v1::DISPATCH_PHASE_PAUSED:
    case v1::DISPATCH_PHASE_STOPPED:
      return kWarning;
    case v1::DISPATCH_PHASE_CANCELLED:
    case v1::DISPATCH_PHASE_REFUSED:
      return {Role::kFailed};
    case v1::DISPATCH_PHASE_PROPOSED:
      return {Role::kMarked};
    default:
      return kMuted;
  }
}

size_t ActionList::Find(std::string_view id) const {
  for (size_t i = 0; i < shown_.size(); ++i)
    if (*shown_[i] == id) return i;
  return shown_.size();
}

void ActionList::Put(ActionRow row, absl::Time steady_now) {
  // Of those that have ended there is nothing more to measure.
  if (IsActive(row.phase, row.progress)) {
    paces_[row.id].Add(steady_now, row.progress);
  } else if (const auto pace = paces_.find(row.id); pace != paces_.end()) {
    paces_.erase(pace);
  }
  std::string id = row.id;
  rows_.insert_or_assign(std::move(id), std::move(row));
}

bool ActionList::ReplaceFirstPage(std::vector<ActionRow> rows, absl::Time steady_now) {
  const bool joins = rows_.empty() || std::any_of(rows.begin(), rows.end(),
                                                  [&](const auto& row) { return Has(row.id); });
  if (!joins) rows_.clear();
  if (!rows.empty()) {
    // Retention may have taken some of those between the page's ends.
    const ActionRow last = *std::max_element(rows.begin(), rows.end(), IsNewer);
    std::erase_if(rows_, [&](const auto& entry) { return IsNewer(entry.second, last); });
  } else {
    rows_.clear();
  }
  for (ActionRow& row : rows) Put(std::move(row), steady_now);
  std::erase_if(paces_, [&](const auto& entry) { return !rows_.contains(entry.first); });
  Arrange();
  return joins;
}

void ActionList::Add(std::vector<ActionRow> rows, absl::Time steady_now) {
  for (ActionRow& row : rows)
    if (rows_.size() < kMostRows || Has(row.id)) Put(std::move(row), steady_now);
  Arrange();
}

void ActionList::Clear() {
  rows_.clear();
  paces_.clear();
  Arrange();
}

void ActionList::Filter(std::string_view words) {
  filter_ = words;
  Arrange();
}

bool ActionList::Matches(const ActionRow& row) const {
  if (filter_.empty()) return true;
  for (const std::string_view text : {std::string_view(row.name), std::string_view(row.modules),
                                      std::string_view(row.id), std::string_view(row.target)})
    if (ContainsIgnoringCase(text, filter_)) return true;
  return ContainsIgnoringCase(SignedText(row), filter_) ||
         ContainsIgnoringCase(PhaseWord(row.phase), filter_);
}

void ActionList::Arrange() {
  shown_.clear();
  for (const auto& [id, row] : rows_)
    if (Matches(row)) shown_.push_back(&id);
  std::sort(shown_.begin(), shown_.end(), [&](const std::string* a, const std::string* b) {
    return IsNewer(rows_.find(*a)->second, rows_.find(*b)->second);
  });
}

const ActionPace* ActionList::PaceOf(const std::string& id) const {
  const auto pace = paces_.find(id);
  return pace == paces_.end() ? nullptr : &pace->second;
}

}  // namespace dragnet::console::tui
