#include "console/sweeps/drift.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "console/sweeps/groups.h"
#include "console/sweeps/score.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

absl::Time TimeOf(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() == 0 && timestamp.nanos() == 0) return absl::InfinitePast();
  return ToTime(timestamp).value_or(absl::InfinitePast());
}

DriftKind KindOf(const std::string& from, const std::string& to) {
  const VerdictStatus before = VerdictStatusOf(from);
  switch (VerdictStatusOf(to)) {
    case VerdictStatus::kFail:
      return DriftKind::kNewlyFailing;
    case VerdictStatus::kUnknown:
      return DriftKind::kNewlyUnknown;
    case VerdictStatus::kPass:
    case VerdictStatus::kNotApplicable:
      break;
  }
  return !from.empty() && before == VerdictStatus::kFail ? DriftKind::kFixed : DriftKind::kOther;
}

// From the first of several changes of one verdict to the last.
struct Net {
  const v1::SweepChange* first = nullptr;
  const v1::SweepChange* last = nullptr;
};

using NetChanges = std::map<std::pair<std::string, std::string>, Net>;

void AddHosts(const std::vector<v1::SweepVerdict>& one_check, const NetChanges& nets,
              absl::Time since, std::vector<DriftEntry>* entries) {
  std::set<std::string> fresh;
  // A first verdict that passes is no change, one that fails is.
  for (const auto& [key, net] : nets)
    if (net.first->from().empty() && fresh.insert(key.first).second)
      entries->push_back({.kind = DriftKind::kNewHost,
                          .agent_id = key.first,
                          .agent_name = net.first->agent_name(),
                          .occurrence = TimeOf(net.first->occurrence())});
  for (const v1::SweepVerdict& verdict : one_check) {
    if (verdict.silent() || NeverTold(verdict))
      entries->push_back({.kind = DriftKind::kSilentHost,
                          .agent_id = verdict.agent_id(),
                          .agent_name = verdict.agent_name(),
                          .occurrence = TimeOf(verdict.occurrence()),
                          .reason = NeverTold(verdict) ? WhyNeverTold(verdict) : ""});
    if (NeverTold(verdict)) continue;
    // Everything is new to someone who has seen no run.
    const bool began_after = since != absl::InfinitePast() && TimeOf(verdict.since()) > since;
    const auto net = nets.find({verdict.agent_id(), verdict.check()});
    if (began_after && net == nets.end() && fresh.insert(verdict.agent_id()).second)
      entries->push_back({.kind = DriftKind::kNewHost,
                          .agent_id = verdict.agent_id(),
                          .agent_name = verdict.agent_name(),
                          .occurrence = TimeOf(verdict.since())});
  }
}

}  // namespace

std::string_view WordsOf(DriftKind kind) {
  switch (kind) {
    case DriftKind::kNewlyFailing:
      return "newly failing";
    case DriftKind::kNewlyUnknown:
      return "newly unknown";
    case DriftKind::kFixed:
      return "fixed";
    case DriftKind::kNewHost:
      return "new host";
    case DriftKind::kSilentHost:
      return "silent host";
    case DriftKind::kOther:
      break;
  }
  return "changed";
}

std::vector<DriftEntry> DriftOf(const Sweep& sweep, const std::vector<v1::SweepChange>& changes,
                                const std::vector<v1::SweepVerdict>& one_check, absl::Time since) {
  NetChanges nets;
  for (const v1::SweepChange& change : changes) {
    if (sweep.Find(change.check()) == nullptr) continue;
    Net& net = nets[{change.agent_id(), change.check()}];
    if (net.last == nullptr) net.last = &change;
    net.first = &change;
  }
  std::vector<DriftEntry> entries;
  for (const auto& [key, net] : nets) {
    const VerdictStatus to = VerdictStatusOf(net.last->to());
    const bool first = net.first->from().empty();
    // There and back again; and a host that is new and passes is told as new.
    if (!first && net.first->from() == net.last->to()) continue;
    if (first && to != VerdictStatus::kFail && to != VerdictStatus::kUnknown) continue;
    entries.push_back({.kind = KindOf(net.first->from(), net.last->to()),
                       .agent_id = key.first,
                       .agent_name = net.last->agent_name(),
                       .check = key.second,
                       .from = net.first->from(),
                       .to = net.last->to(),
                       .occurrence = TimeOf(net.last->occurrence()),
                       .reason = net.last->reason()});
  }
  AddHosts(one_check, nets, since, &entries);
  const auto severity = [&](const DriftEntry& entry) {
    const check::v1::Check* check = sweep.Find(entry.check);
    return check == nullptr ? 0 : -SeverityOrder(check->severity());
  };
  std::stable_sort(entries.begin(), entries.end(), [&](const DriftEntry& a, const DriftEntry& b) {
    return std::tuple(a.kind, severity(a), a.agent_name, a.check) <
           std::tuple(b.kind, severity(b), b.agent_name, b.check);
  });
  return entries;
}

absl::StatusOr<std::vector<v1::SweepChange>> ReadChanges(const std::string& sweep_id,
                                                         absl::Time since, Client& client,
                                                         bool* cut) {
  std::vector<v1::SweepChange> changes;
  v1::SweepChangesRequest request;
  request.set_action_id(sweep_id);
  if (since != absl::InfinitePast()) *request.mutable_since() = ToTimestamp(since);
  *cut = false;
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(v1::SweepChangesResponse page, client.SweepChanges(request));
    for (v1::SweepChange& change : *page.mutable_changes()) {
      if (changes.size() >= kMostChanges) return *cut = true, changes;
      changes.push_back(std::move(change));
    }
    // A page that brings nothing new would go on for ever.
    if (page.next_page_token().empty() || page.changes().empty()) return changes;
    request.set_page_token(page.next_page_token());
  }
}

absl::StatusOr<std::vector<v1::SweepVerdict>> ReadOneCheck(const Sweep& sweep, Client& client) {
  std::vector<v1::SweepVerdict> verdicts;
  if (sweep.checks.empty()) return verdicts;
  v1::SweepVerdictsRequest request;
  request.set_action_id(sweep.action.id());
  request.add_checks(sweep.checks.front().id());
  DRAGNET_RETURN_IF_ERROR(ReadVerdicts(
      request, client, [] { return false; },
      [&](const v1::SweepVerdict& verdict) {
        v1::SweepVerdict kept = verdict;
        kept.clear_evidence();
        if (!NeverTold(verdict)) kept.clear_reason();
        verdicts.push_back(std::move(kept));
      }));
  return verdicts;
}

absl::Time RunBeforeLast(const Sweep& sweep) {
  if (sweep.told.runs_size() < 2) return absl::InfinitePast();
  return TimeOf(sweep.told.runs(1).occurrence());
}

}  // namespace dragnet::console
