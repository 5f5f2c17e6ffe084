#include "console/sweeps/groups.h"

#include <algorithm>
#include <utility>

#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr std::string_view kTag = "tag:";
constexpr std::string_view kEnvironment = "environment:";
constexpr size_t kMostGroupName = 128;
constexpr absl::Duration kLook = absl::Milliseconds(200);

std::string GroupOf(std::string_view by, const v1::Facts& facts) {
  if (by == "os") return facts.os();
  if (by == "distribution") {
    return facts.distribution_version().empty()
               ? facts.distribution()
               : StrCat(facts.distribution(), " ", facts.distribution_version());
  }
  const auto& values = by.starts_with(kTag) ? facts.tags() : facts.environment();
  const auto value = values.find(std::string(by.substr(by.find(':') + 1)));
  return value == values.end() ? std::string() : value->second;
}

}  // namespace

absl::Status ValidateGrouping(std::string_view by) {
  if (by == "os" || by == "distribution") return absl::OkStatus();
  for (const std::string_view prefix : {kTag, kEnvironment})
    if (by.starts_with(prefix) && by.size() > prefix.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("\"", by, "\" is none of os, distribution, tag:KEY, environment:KEY"));
}

absl::StatusOr<std::map<std::string, std::string>> GroupsOf(std::string_view by, Client& client) {
  DRAGNET_RETURN_IF_ERROR(ValidateGrouping(by));
  std::map<std::string, std::string> groups;
  v1::SearchAgentsRequest request;
  request.set_page_size(1000);
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(const v1::SearchAgentsResponse page, client.SearchAgents(request));
    for (const v1::AgentInfo& agent : page.agents()) {
      std::string group = Shorten(GroupOf(by, agent.facts()), kMostGroupName);
      if (!group.empty()) groups[agent.facts().id()] = std::move(group);
    }
    // A page that brings nothing new would go on for ever.
    if (page.next_page_token().empty() || page.agents().empty()) return groups;
    request.set_page_token(page.next_page_token());
  }
}

SweepTally::SweepTally(const Sweep& sweep, std::map<std::string, std::string> groups)
    : group_of_(std::move(groups)), checks_(sweep.checks.size()) {
  for (size_t i = 0; i < sweep.checks.size(); ++i)
    check_positions_.emplace(sweep.checks[i].id(), i);
}

SweepTally::Host& SweepTally::HostOf(const v1::SweepVerdict& entry) {
  Host& host = by_id_[entry.agent_id()];
  host.id = entry.agent_id();
  host.name = entry.agent_name();
  host.silent = host.silent || entry.silent() || NeverTold(entry);
  return host;
}

SweepTally::Group& SweepTally::GroupOfAgent(const std::string& agent_id) {
  const auto named = group_of_.find(agent_id);
  std::string name = named == group_of_.end() ? std::string(kNoGroup) : named->second;
  if (!by_group_.contains(name) && by_group_.size() >= kMostGroups) name = kOtherGroup;
  Group& group = by_group_[name];
  group.name = name;
  group.checks.resize(checks_.size());
  return group;
}

bool SweepTally::Add(const v1::SweepVerdict& verdict) {
  if (NeverTold(verdict)) {
    HostOf(verdict);
    GroupOfAgent(verdict.agent_id());
    return true;
  }
  const auto position = check_positions_.find(verdict.check());
  if (position == check_positions_.end()) {
    ++strangers_;
    return false;
  }
  const VerdictStatus status = VerdictStatusOf(verdict.status());
  Count(status, &verdicts_);
  Count(status, &checks_[position->second]);
  Host& host = HostOf(verdict);
  Count(status, &host.verdicts);
  const absl::StatusOr<absl::Time> told = ToTime(verdict.occurrence());
  if (told.ok()) host.told = std::max(host.told, *told);

  Group& group = GroupOfAgent(verdict.agent_id());
  Count(status, &group.verdicts);
  Count(status, &group.checks[position->second]);
  return true;
}

void SweepTally::Finish() {
  for (auto& [id, host] : by_id_) {
    const auto named = group_of_.find(id);
    auto group = by_group_.find(named == group_of_.end() ? std::string(kNoGroup) : named->second);
    if (group == by_group_.end()) group = by_group_.find(std::string(kOtherGroup));
    if (AllOf(host.verdicts) > 0) Count(WorstOf(host.verdicts), &group->second.hosts);
    group->second.silent += host.silent ? 1 : 0;
    hosts_.push_back(std::move(host));
  }
  for (auto& [name, group] : by_group_) groups_.push_back(std::move(group));
  by_id_.clear();
  by_group_.clear();
  std::stable_sort(hosts_.begin(), hosts_.end(), [](const Host& a, const Host& b) {
    if (a.verdicts.failed() != b.verdicts.failed())
      return a.verdicts.failed() > b.verdicts.failed();
    if (a.verdicts.unknown() != b.verdicts.unknown())
      return a.verdicts.unknown() > b.verdicts.unknown();
    return a.name < b.name;
  });
}

v1::VerdictCounts SweepTally::HostCounts() const {
  v1::VerdictCounts counts;
  for (const Host& host : hosts_)
    if (AllOf(host.verdicts) > 0) Count(WorstOf(host.verdicts), &counts);
  return counts;
}

uint64_t SweepTally::silent() const {
  return static_cast<uint64_t>(
      std::count_if(hosts_.begin(), hosts_.end(), [](const Host& host) { return host.silent; }));
}

absl::Status ReadVerdicts(const v1::SweepVerdictsRequest& request, Client& client,
                          const std::function<bool()>& stop,
                          const std::function<void(const v1::SweepVerdict&)>& verdict) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<VerdictStream> stream,
                           client.SweepVerdicts(request));
  v1::SweepVerdict event;
  while (true) {
    if (stop()) return absl::CancelledError("interrupted");
    switch (stream->Next(kLook, &event)) {
      case StreamStep::kEvent:
        verdict(event);
        break;
      case StreamStep::kTimeout:
        break;
      case StreamStep::kEnd:
        return stream->status();
    }
  }
}

}  // namespace dragnet::console
