#include "console/tui/views/agent_facts.h"

#include <map>

#include "absl/strings/str_join.h"
#include "console/output/cell.h"
#include "console/tui/views/ages.h"
#include "console/tui/views/fleet_model.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

// Orders and actions are given a minute or more for clocks that are off; from
// here on they begin to be refused.
constexpr absl::Duration kClockOff = absl::Seconds(5);
// Of each text, and of a list.
constexpr size_t kMostText = 4096;
constexpr int kMostEntries = 500;

std::string OffsetWords(absl::Duration offset) {
  if (offset == absl::ZeroDuration()) return "as the scheduler's";
  const absl::Duration size = absl::AbsDuration(offset);
  const std::string words = size < absl::Seconds(1)
                                ? StrCat(absl::ToInt64Milliseconds(size), " ms")
                                : absl::FormatDuration(absl::Trunc(size, absl::Milliseconds(100)));
  return StrCat(words, offset > absl::ZeroDuration() ? " ahead of" : " behind", " the scheduler's");
}

class Facts {
 public:
  explicit Facts(std::vector<Fact>* facts) : facts_(*facts) {}

  // A group that has nothing is not shown.
  void Group(std::string name) { heading_ = std::move(name); }
  void Add(std::string name, std::string_view text, Style style = kNormal) {
    if (text.empty()) return;
    if (!heading_.empty()) facts_.push_back({std::exchange(heading_, ""), "", kTitle});
    facts_.push_back({Shorten(name, kMostText), Shorten(text, kMostText), style});
  }
  void AddTime(std::string name, bool set, const google::protobuf::Timestamp& timestamp,
               absl::Time now) {
    const absl::StatusOr<absl::Time> time = ToTime(timestamp);
    if (!set || !time.ok()) return;
    Add(std::move(name), StrCat(LocalTime(*time), "  (", Age(*time, now), ")"));
  }
  template <class Map>
  void AddMap(const Map& map) {
    int left = kMostEntries;
    for (const auto& [key, value] : std::map<std::string, std::string>(map.begin(), map.end())) {
      if (--left < 0) return Add("…", StrCat(map.size() - kMostEntries, " more"), kMuted);
      Add(key.empty() ? "\"\"" : key, value.empty() ? "\"\"" : value);
    }
  }
  template <class List>
  void AddList(std::string_view name, const List& list, Style style = kNormal) {
    for (int i = 0; i < list.size() && i < kMostEntries; ++i)
      Add(std::string(i == 0 ? name : " "), list[i], style);
    if (list.size() > kMostEntries) Add("…", StrCat(list.size() - kMostEntries, " more"), kMuted);
  }

 private:
  std::vector<Fact>& facts_;
  std::string heading_;
};

}  // namespace

std::vector<std::string> AgentWarnings(const v1::AgentInfo& info, uint64_t newest_policy) {
  std::vector<std::string> warnings;
  if (info.state() == v1::AgentInfo::STATE_DUPLICATE) {
    warnings.emplace_back(
        "Two hosts use this identity, as after a disk was cloned. It gets no action until only "
        "one of them is left: remove the agent's state on the other one and enrol it anew.");
  }
  if (info.state() == v1::AgentInfo::STATE_REVOKED) {
    warnings.emplace_back("Revoked: it can't connect until it is enrolled anew.");
  }
  const absl::Duration offset = ToDuration(info.clock_offset());
  if (absl::AbsDuration(offset) > kClockOff) {
    warnings.push_back(StrCat("Its clock is ", OffsetWords(offset),
                              ": actions can be refused as expired or not yet valid."));
  }
  if (newest_policy > info.trust_policy_version() && info.state() != v1::AgentInfo::STATE_REVOKED) {
    warnings.push_back(
        info.trust_policy_version() == 0
            ? StrCat("It holds no trust policy and obeys no one; the newest is version ",
                     newest_policy, ".")
            : StrCat("Its trust policy is version ", info.trust_policy_version(),
                     "; the newest is ", newest_policy, "."));
  }
  if (!info.missing_walls().empty()) {
    warnings.push_back(StrCat("Walls around its workers that this host doesn't give: ",
                              absl::StrJoin(info.missing_walls(), ", "), "."));
  }
  return warnings;
}

std::string StateWords(const v1::AgentInfo& info, absl::Time now) {
  if (info.state() == v1::AgentInfo::STATE_ONLINE) return "connected now";
  const absl::StatusOr<absl::Time> seen = ToTime(info.last_seen());
  if (!info.has_last_seen() || !seen.ok()) return "never seen";
  return StrCat("last seen ", ShortTime(*seen, now), ", ", Age(*seen, now),
                now - *seen < absl::Seconds(1) ? "" : " ago");
}

std::vector<Fact> AgentFacts(const v1::AgentInfo& info, uint64_t newest_policy, absl::Time now) {
  const v1::Facts& host = info.facts();
  std::vector<Fact> list;
  Facts facts(&list);
  facts.Group("To look at");
  for (const std::string& warning : AgentWarnings(info, newest_policy))
    facts.Add("", StrCat("! ", warning), kWarning);
  facts.Group("Hosts with this identity");
  facts.AddList("", info.same_identity(), kWarning);

  facts.Group("Agent");
  facts.Add("name", host.name());
  facts.Add("id", host.id());
  facts.Add("state", StrCat(StateText(info.state()), ", ", StateWords(info, now)),
            StyleOf(info.state()));
  facts.Add("version", host.version());
  facts.Add("trust policy",
            newest_policy == 0 || newest_policy <= info.trust_policy_version()
                ? StrCat("version ", info.trust_policy_version())
                : StrCat("version ", info.trust_policy_version(), " of ", newest_policy));
  if (info.has_clock_offset()) facts.Add("clock", OffsetWords(ToDuration(info.clock_offset())));
  facts.AddTime("enrolled", info.has_enrolled_at(), info.enrolled_at(), now);

  facts.Group("Tags");
  facts.AddMap(host.tags());
  facts.Group("System");
  facts.Add("os", host.os());
  facts.Add("distribution", host.distribution().empty() ? "" : SystemOf(host));
  facts.Add("kernel", host.kernel());
  facts.Add("arch", host.arch());
  facts.AddTime("booted", host.has_boot_time(), host.boot_time(), now);
  facts.AddList("addresses", host.addresses());
  facts.Group("Environment");
  facts.AddMap(host.environment());
  facts.Group("What it may do");
  facts.AddList("limits", info.limits());
  facts.Add("modules", absl::StrJoin(host.modules(), " "));
  facts.AddList("missing walls", info.missing_walls(), kWarning);
  return list;
}

}  // namespace dragnet::console::tui
