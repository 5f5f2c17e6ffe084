#include "console/cli/upgrade_plan.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/output/text_width.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/upgrade/upgrade.pb.h"

namespace dragnet::console {
namespace {

using upgrade::v1::UpgradeRow;

// Reasons that are shown; of as many different ones the fleet is told by results.
constexpr uint32_t kMostReasons = 20;

std::string Agents(uint64_t count) { return count == 1 ? "1 agent" : StrCat(count, " agents"); }

std::string Quoted(std::string_view text) {
  return StrCat("'", absl::StrReplaceAll(ToAbsl(text), {{"'", "''"}}), "'");
}

// Highest first; what is no version of ours last, by its text.
bool IsHigher(const std::string& a, const std::string& b) {
  const absl::StatusOr<Version> left = Version::Parse(a);
  const absl::StatusOr<Version> right = Version::Parse(b);
  if (left.ok() != right.ok()) return left.ok();
  return left.ok() ? *left > *right : a < b;
}

std::vector<std::string> Sorted(const VersionCounts& counts) {
  std::vector<std::string> versions;
  for (const auto& [version, count] : counts) versions.push_back(version);
  std::sort(versions.begin(), versions.end(), IsHigher);
  return versions;
}

std::string VersionWord(const std::string& version) {
  return version.empty() ? "(none told)" : ForTerminal(Shorten(version, 64));
}

// What AuthorizeRelease will say on such an agent.
std::string Fate(const v1::Release& release, const std::string& text) {
  const absl::StatusOr<Version> version = Version::Parse(release.version());
  const absl::StatusOr<Version> running = Version::Parse(text);
  if (!version.ok() || !running.ok()) return "can't be compared: they refuse it";
  if (*running == *version) return "have it already";
  if (*running > *version && !release.downgrade()) return "higher: they refuse it";
  const absl::StatusOr<Version> minimum = Version::Parse(release.minimum_version());
  if (minimum.ok() && *running < *minimum) {
    return StrCat("below ", minimum->text(), ": they refuse it, upgrade them to that first");
  }
  return *running > *version ? "go BACK" : "go up";
}

std::string RightAligned(uint64_t number) {
  const std::string digits = StrCat(number);
  return StrCat(std::string(digits.size() < 10 ? 10 - digits.size() : 1, ' '), digits);
}

}  // namespace

absl::StatusOr<VersionCounts> CountVersions(const std::string& target, Client& client) {
  VersionCounts counts;
  v1::SearchAgentsRequest request;
  request.set_target(target);
  request.set_page_size(1000);
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(const v1::SearchAgentsResponse page, client.SearchAgents(request));
    for (const v1::AgentInfo& agent : page.agents()) {
      if (agent.state() == v1::AgentInfo::STATE_REVOKED) continue;
      VersionCount& count = counts[agent.facts().version()];
      ++count.agents;
      count.online += agent.state() == v1::AgentInfo::STATE_ONLINE ? 1 : 0;
    }
    // A page that brings nothing new would go on for ever.
    if (page.next_page_token().empty() || page.agents().empty()) return counts;
    request.set_page_token(page.next_page_token());
  }
}

std::string DescribeVersions(const VersionCounts& counts) {
  std::string text = "VERSION             AGENTS    ONLINE\n";
  for (const std::string& version : Sorted(counts)) {
    const VersionCount& count = counts.at(version);
    StrAppend(&text, PadRight(VersionWord(version), 16), RightAligned(count.agents),
              RightAligned(count.online), "\n");
  }
  return text;
}

std::string TargetOfPlatform(const std::string& target, const v1::Platform& platform) {
  return StrCat(target.empty() ? std::string() : StrCat("(", target, ") and "),
                "os=", Quoted(platform.os()), " and arch=", Quoted(platform.arch()));
}

std::string TargetOfUpgrade(const std::string& target, const v1::Platform& platform,
                            const v1::Release& release) {
  return StrCat(TargetOfPlatform(target, platform), " and version<>", Quoted(release.version()));
}

std::string DescribePlan(const v1::Release& release, const VersionCounts& counts) {
  if (counts.empty()) return "  no agents\n";
  std::string text;
  for (const std::string& version : Sorted(counts)) {
    const VersionCount& count = counts.at(version);
    StrAppend(&text, "  ", PadRight(VersionWord(version), 16), "  ", Agents(count.agents), ", ",
              count.online, " online: ", Fate(release, version), "\n");
  }
  return text;
}

absl::StatusOr<UpgradeOutcome> OutcomeOf(const std::string& action_id, Client& client) {
  v1::StackRequest request;
  request.set_action_id(action_id);
  request.add_columns()->add_field_numbers(UpgradeRow::kOutcomeFieldNumber);
  request.add_columns()->add_field_numbers(UpgradeRow::kDetailFieldNumber);
  request.set_limit(10'000);
  request.set_most_frequent_first(true);
  DRAGNET_ASSIGN_OR_RETURN(const v1::StackResponse response, client.Stack(request));
  UpgradeOutcome outcome;
  for (const v1::StackResponse::Entry& entry : response.entries()) {
    UpgradeRow row;
    // Of an agent whose form isn't known here nothing can be said.
    if (!row.ParseFromString(entry.row())) continue;
    outcome.agents_by_outcome[row.outcome()] += entry.agents();
    if (row.outcome() == "upgraded" || row.outcome() == "current") continue;
    outcome.reasons.push_back({row.outcome(), row.detail(), entry.agents()});
  }
  return outcome;
}

std::string DescribeOutcome(const UpgradeOutcome& outcome) {
  std::vector<std::string> words;
  for (const auto& [name, agents] : outcome.agents_by_outcome) {
    words.push_back(StrCat(ForTerminal(Shorten(name, 64)), " ", agents));
  }
  // An outcome's name is a word of the module's: went_back.
  std::string text = words.empty() ? "No agent has told what came of it yet.\n"
                                   : StrCat("What came of it: ", absl::StrJoin(words, ", "), "\n");
  size_t shown = 0;
  for (const UpgradeOutcome::Reason& reason : outcome.reasons) {
    if (++shown > kMostReasons) {
      StrAppend(&text, "  and ", outcome.reasons.size() - kMostReasons, " further reasons\n");
      break;
    }
    StrAppend(&text, "  ", ForTerminal(Shorten(reason.outcome, 64)), " on ", Agents(reason.agents),
              ": ", ForTerminal(Shorten(reason.detail, 400)), "\n");
  }
  return text;
}

}  // namespace dragnet::console
