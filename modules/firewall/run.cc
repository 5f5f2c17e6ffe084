#include "modules/firewall/run.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/firewall/dump.h"
#include "modules/firewall/reach.h"
#include "modules/firewall/words.h"
#include "modules/netstat/proc_files.h"

namespace dragnet::firewall {
namespace {

constexpr size_t kMaxNameBytes = 256;
constexpr size_t kMaxProcBytes = 1024 * 1024;
constexpr size_t kMaxInterfaces = 512;
// Boxes compared, for one space.
constexpr size_t kMaxSteps = 50'000'000;
// Examples of what can't be decided, of one space.
constexpr size_t kMaxNotes = 16;

std::string RowText(std::string_view bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, kMaxNameBytes + 16)), kMaxNameBytes);
}

void SetChain(const Table& table, const Chain& chain, v1::FirewallRow* row) {
  row->set_family(FamilyName(table.family));
  row->set_table(RowText(table.name));
  row->set_chain(RowText(chain.name));
  if (!chain.is_base) return;
  row->set_hook(HookName(table.family, chain.hook));
  row->set_priority(chain.priority);
  row->set_policy(chain.policy_drop ? "drop" : "accept");
  row->set_type(RowText(chain.type));
}

void SetRule(const Table& table, const Rule& rule, uint32_t position, v1::FirewallRow* row) {
  RuleWords words = DescribeRule(table, rule);
  row->set_position(position);
  row->set_handle(rule.handle);
  row->set_match(std::move(words.match));
  row->set_verdict(std::move(words.verdict));
  row->set_packets(words.packets);
  row->set_bytes(words.bytes);
  row->set_comment(RowText(rule.comment));
}

std::vector<Box> AllowedBoxes(const Search& search, const Space& space) {
  std::vector<Box> boxes;
  for (const Allowed& allowed : search.allowed) {
    if (!(space.protocol == IPPROTO_TCP ? allowed.tcp : allowed.udp)) continue;
    Box box = space.all;
    box.sides[kDestinationPort] = allowed.ports;
    if (allowed.from_any) {
      boxes.push_back(box);
      continue;
    }
    for (const Interval& network : space.is_ipv6 ? allowed.ipv6 : allowed.ipv4) {
      box.sides[kSource] = network;
      boxes.push_back(box);
    }
  }
  return boxes;
}

class ReachableReport {
 public:
  ReachableReport(const Search& search, const Interfaces& interfaces,
                  const Reachability& reachability, RunContext& context)
      : search_(search),
        interfaces_(interfaces),
        reach_(reachability),
        space_(reachability.space),
        context_(context) {}

  void Report() {
    if (reach_.gave_up) return GiveUp();
    size_t steps = kMaxSteps;
    const std::vector<Box> allowed = AllowedBoxes(search_, space_);
    std::vector<Box> sure = reach_.accepted, unsure;
    if (reach_.undecided) sure = SubtractAll(sure, reach_.dropped, &steps);
    // Accepted in one way and dropped in another; and what is sent elsewhere.
    if (reach_.undecided) unsure = reach_.accepted;
    unsure.insert(unsure.end(), reach_.translated.begin(), reach_.translated.end());
    sure = SubtractAll(std::move(sure), allowed, &steps);
    unsure = SubtractAll(std::move(unsure), allowed, &steps);
    if (steps == 0) return GiveUp();
    ShowWhatMatters(&sure);
    ShowWhatMatters(&unsure);
    unsure = SubtractAll(std::move(unsure), sure, &steps);
    Coalesce(&unsure);
    Sort(&sure);
    Sort(&unsure);
    for (const Box& box : sure)
      if (!context_.EmitRow(RowOf(box))) return;
    Note(unsure);
  }

 private:
  void GiveUp() {
    context_.NoteUnexamined("rules too many or too entangled to be followed", SpaceName());
  }

  std::string SpaceName() const {
    return StrCat(space_.protocol == IPPROTO_TCP ? "tcp" : "udp",
                  space_.is_ipv6 ? " of ipv6" : " of ipv4");
  }

  // Who sends chooses the port: one way in is enough.
  void ShowWhatMatters(std::vector<Box>* boxes) const {
    for (Box& box : *boxes) {
      box.sides[kSourcePort] = space_.all.sides[kSourcePort];
    }
    Coalesce(boxes);
  }

  static void Sort(std::vector<Box>* boxes) {
    std::sort(boxes->begin(), boxes->end(), [](const Box& a, const Box& b) {
      const auto key = [](const Box& box) {
        return std::array{box.sides[kDestinationPort].first, box.sides[kSource].first,
                          box.sides[kDestination].first, box.sides[kInterface].first};
      };
      return key(a) < key(b);
    });
  }

  std::string InterfaceText(const Interval& side) const {
    if (side == space_.all.sides[kInterface]) return "any";
    std::string text;
    for (auto i = static_cast<size_t>(side.first); i <= static_cast<size_t>(side.last); ++i)
      StrAppend(&text, text.empty() ? "" : ",", interfaces_.names[i]);
    return RowText(text);
  }

  std::string SourceText(const Box& box) const {
    std::string text = AddressRange(box.sides[kSource], space_.is_ipv6);
    // What any is, the version says.
    if (text == "any") text = space_.is_ipv6 ? "::/0" : "0.0.0.0/0";
    return text;
  }

  v1::FirewallRow RowOf(const Box& box) const {
    v1::FirewallRow row;
    row.set_kind("reachable");
    row.set_protocol(space_.protocol == IPPROTO_TCP ? "tcp" : "udp");
    row.set_port_from(static_cast<uint32_t>(box.sides[kDestinationPort].first));
    row.set_port_to(static_cast<uint32_t>(box.sides[kDestinationPort].last));
    row.set_source(SourceText(box));
    row.set_destination(AddressRange(box.sides[kDestination], space_.is_ipv6));
    row.set_interface(InterfaceText(box.sides[kInterface]));
    if (box.origin >= 0) {
      const Origin& origin = reach_.origins[static_cast<size_t>(box.origin)];
      SetChain(*origin.table, *origin.chain, &row);
      if (origin.rule != nullptr) SetRule(*origin.table, *origin.rule, origin.position, &row);
    }
    if (row.verdict().empty()) row.set_verdict("accept");
    return row;
  }

  void Note(const std::vector<Box>& unsure) {
    std::string why;
    for (const std::string& name : reach_.unknown)
      if (why.size() < 256) StrAppend(&why, why.empty() ? " (" : ", ", RowText(name));
    if (!why.empty()) why += ")";
    if (why.empty()) why = " (address translation)";
    for (size_t i = 0; i < unsure.size(); ++i) {
      const Box& box = unsure[i];
      // The counts are kept, the examples are few.
      std::string example =
          i >= kMaxNotes ? SpaceName()
                         : StrCat(space_.protocol == IPPROTO_TCP ? "tcp " : "udp ",
                                  static_cast<uint32_t>(box.sides[kDestinationPort].first), "-",
                                  static_cast<uint32_t>(box.sides[kDestinationPort].last), " from ",
                                  SourceText(box), why);
      context_.NoteUnexamined("what rules let in can't be decided", example);
    }
  }

  const Search& search_;
  const Interfaces& interfaces_;
  const Reachability& reach_;
  const Space& space_;
  RunContext& context_;
};

std::string ReadProc(const char* path) {
  return netstat::ReadProcFile(AT_FDCWD, path, kMaxProcBytes).value_or("");
}

// Rules that iptables-legacy made are in tables of their own, which nf_tables doesn't show.
void NoteLegacyTables(RunContext& context) {
  for (const char* path :
       {"/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"}) {
    const auto names = netstat::ReadProcFile(AT_FDCWD, path, 4096);
    if (!names) {
      // No such thing in this kernel, or not loaded.
      if (errno != ENOENT) {
        context.NoteUnexamined(StrCat("tables of iptables-legacy: ", ::strerrordesc_np(errno)),
                               path);
      }
      continue;
    }
    for (absl::string_view name : absl::StrSplit(*names, '\n', absl::SkipEmpty()))
      context.NoteUnexamined("tables of iptables-legacy", RowText(ToStd(name)));
  }
}

}  // namespace

Interfaces ParseInterfaces(std::string_view dev, std::string_view igmp, std::string_view dev_mcast,
                           const std::set<std::string>& only) {
  std::map<std::string, uint32_t> numbers;
  for (std::string_view text : {igmp, dev_mcast}) {
    for (absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
      const std::vector<absl::string_view> words =
          absl::StrSplit(line, absl::ByAnyChar(" \t:"), absl::SkipEmpty());
      uint32_t number = 0;
      if (words.size() < 2) continue;
      const auto [end, error] =
          std::from_chars(words[0].data(), words[0].data() + words[0].size(), number);
      if (error == std::errc() && end == words[0].data() + words[0].size())
        numbers.emplace(words[1], number);
    }
  }
  Interfaces interfaces;
  interfaces.complete = true;
  const auto add = [&](const std::string& name) {
    const auto number = numbers.find(name);
    interfaces.names.push_back(name);
    interfaces.indices.push_back(number == numbers.end() ? 0 : number->second);
  };
  for (absl::string_view line : absl::StrSplit(ToAbsl(dev), '\n')) {
    // Two lines of headings have no colon after a name.
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) continue;
    const std::string name(absl::StripAsciiWhitespace(line.substr(0, colon)));
    if (name == "lo" || (!only.empty() && !only.contains(name))) continue;
    if (interfaces.names.size() == kMaxInterfaces) {
      interfaces.complete = false;
      break;
    }
    add(name);
  }
  for (const std::string& name : only)
    if (std::find(interfaces.names.begin(), interfaces.names.end(), name) == interfaces.names.end())
      add(name);
  if (interfaces.names.empty()) {
    // No name of an interface has a slash.
    add("any/other");
    interfaces.complete = false;
  }
  return interfaces;
}

void ReportRules(const Search& search, const Ruleset& ruleset, RunContext& context) {
  for (const Table& table : ruleset.tables) {
    if (!search.families.empty() && !search.families.contains(FamilyName(table.family))) continue;
    if (!search.tables.empty() && !search.tables.contains(table.name)) continue;
    for (const Chain& chain : table.chains) {
      v1::FirewallRow head;
      SetChain(table, chain, &head);
      if (!search.hooks.empty() && !search.hooks.contains(head.hook())) continue;
      v1::FirewallRow row = head;
      row.set_kind("chain");
      if (!context.EmitRow(row)) return;
      uint32_t position = 0;
      for (const Rule& rule : chain.rules) {
        row = head;
        row.set_kind("rule");
        SetRule(table, rule, ++position, &row);
        context.AddExamined(1, 0);
        if (!context.EmitRow(row)) return;
      }
    }
  }
}

void ReportReachable(const Search& search, const Ruleset& ruleset, const Interfaces& interfaces,
                     RunContext& context) {
  for (const bool is_ipv6 : {false, true}) {
    for (const uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
      if (context.stopping()) return;
      const Reachability reachability = ComputeReachability(ruleset, interfaces, is_ipv6, protocol);
      context.AddExamined(1, 0);
      ReachableReport(search, interfaces, reachability, context).Report();
    }
  }
}

absl::Status RunSearch(const Search& search, RunContext& context) {
  const absl::StatusOr<Dump> dump = TakeDump(context);
  // Whatever came of it, and before anything is read of it.
  DRAGNET_RETURN_IF_ERROR(DropFirewallPrivilege());
  if (!dump.ok()) {
    context.NoteUnexamined(StrCat("rules of nf_tables: ", dump.status().message()), "nf_tables");
    return absl::OkStatus();
  }
  NoteLegacyTables(context);
  const absl::StatusOr<Ruleset> ruleset = ParseRuleset(*dump);
  if (!ruleset.ok()) {
    context.NoteUnexamined(
        StrCat("rules of nf_tables: ", ForTerminal(ToStd(ruleset.status().message()))),
        "nf_tables");
    return absl::OkStatus();
  }
  if (!search.asks_reachable) {
    ReportRules(search, *ruleset, context);
  } else {
    ReportReachable(search, *ruleset,
                    ParseInterfaces(ReadProc("/proc/thread-self/net/dev"),
                                    ReadProc("/proc/thread-self/net/igmp"),
                                    ReadProc("/proc/thread-self/net/dev_mcast"), search.interfaces),
                    context);
  }
  return absl::OkStatus();
}

}  // namespace dragnet::firewall
