#include "modules/firewall/reach.h"

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <set>
#include <utility>

#include "modules/firewall/extensions.h"

namespace dragnet::firewall {
namespace {

// The kernel's own bound on jumps.
constexpr int kMaxDepth = 16;
constexpr size_t kMaxBoxes = 20'000;
// Boxes looked at, over all rules.
constexpr size_t kMaxSteps = 100'000'000;
// Where a list of boxes gets longer than this it is worth making it shorter.
constexpr size_t kWorthCoalescing = 64;

using Boxes = std::vector<Box>;

void Append(const Boxes& more, Boxes* boxes) {
  boxes->insert(boxes->end(), more.begin(), more.end());
}

// What may become of packets by one expression of a rule, besides going on.
bool HasEffect(const Expression& expression) {
  if (expression.name == "immediate" || expression.name == "lookup")
    return expression.has_dreg && expression.dreg == NFT_REG_VERDICT;
  if (expression.name == "target")
    return EffectOfTarget(expression.text) != TargetEffect::kContinue;
  for (std::string_view name :
       {"meta",   "payload",   "cmp",   "range",   "bitwise", "byteorder",    "ct",
        "limit",  "connlimit", "quota", "counter", "log",     "fib",          "match",
        "dynset", "notrack",   "last",  "exthdr",  "rt",      "socket",       "osf",
        "hash",   "numgen",    "xfrm",  "tunnel",  "dup",     "flow_offload", "ct_helper"}) {
    if (expression.name != name) continue;
    // Packets that are rewritten.
    return expression.name == "payload" && expression.has_sreg;
  }
  return expression.name != "objref";
}

class Evaluation {
 public:
  Evaluation(const Ruleset& ruleset, const Interfaces& interfaces, Reachability* result)
      : ruleset_(ruleset), interfaces_(interfaces), result_(*result), space_(result->space) {}

  void Run() {
    std::vector<Hooked> chains = ChainsOnTheWay();
    Boxes boxes = {space_.all};
    for (const Hooked& hooked : chains) {
      boxes = PassBaseChain(hooked, std::move(boxes));
      if (result_.gave_up) return;
    }
    result_.accepted = std::move(boxes);
  }

 private:
  struct Hooked {
    const Table* table;
    const Chain* chain;
    int stage;
  };
  // What becomes of boxes in a chain.
  struct Outcome {
    Boxes accepted;
    // Past the end, or returned.
    Boxes left;
  };
  // What a rule's expressions make of boxes.
  struct Split {
    Boxes matching;
    Boxes others;
  };

  // The chain's place on the way of a packet; -1 if it isn't on it.
  int StageOf(const Table& table, const Chain& chain) const {
    const bool is_ip = table.family == NFPROTO_INET ||
                       table.family == (space_.is_ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    if (table.family == NFPROTO_NETDEV) return chain.hook == NF_NETDEV_INGRESS ? 0 : -1;
    if (!is_ip) return -1;
    if (chain.hook == NF_INET_INGRESS) return 0;
    if (chain.hook == NF_INET_PRE_ROUTING) return 1;
    return chain.hook == NF_INET_LOCAL_IN ? 2 : -1;
  }

  std::vector<Hooked> ChainsOnTheWay() const {
    std::vector<Hooked> chains;
    for (const Table& table : ruleset_.tables) {
      if (table.dormant) continue;
      for (const Chain& chain : table.chains) {
        const int stage = chain.is_base ? StageOf(table, chain) : -1;
        if (stage >= 0) chains.push_back({&table, &chain, stage});
      }
    }
    std::stable_sort(chains.begin(), chains.end(), [](const Hooked& a, const Hooked& b) {
      return std::pair(a.stage, a.chain->priority) < std::pair(b.stage, b.chain->priority);
    });
    return chains;
  }

  // What goes on to the next chain.
  Boxes PassBaseChain(const Hooked& hooked, Boxes boxes) {
    Boxes past;
    if (hooked.stage == 0) {
      Condition bound;
      for (size_t i = 0; i < interfaces_.names.size(); ++i) {
        const auto& devices = hooked.chain->devices;
        if (std::find(devices.begin(), devices.end(), interfaces_.names[i]) == devices.end())
          continue;
        Box box = space_.all;
        box.sides[kInterface] = {i, i};
        bound.boxes.push_back(box);
      }
      Split split = Divide(bound, boxes);
      past = std::move(split.others);
      boxes = std::move(split.matching);
    }
    Outcome outcome = RunChain(*hooked.table, *hooked.chain, std::move(boxes), 0);
    Append(outcome.accepted, &past);
    if (hooked.chain->policy_drop) {
      Drop(outcome.left);
    } else {
      Accept({hooked.table, hooked.chain, nullptr, 0}, outcome.left, &past);
    }
    Shorten(&past);
    return past;
  }

  void Accept(const Origin& origin, const Boxes& boxes, Boxes* to) {
    if (boxes.empty()) return;
    const auto index = static_cast<int32_t>(result_.origins.size());
    result_.origins.push_back(origin);
    for (Box box : boxes) {
      box.origin = index;
      to->push_back(box);
    }
  }

  void Drop(const Boxes& boxes) {
    Append(boxes, &result_.dropped);
    Shorten(&result_.dropped);
  }

  void Shorten(Boxes* boxes) {
    if (boxes->size() > kWorthCoalescing) {
      // Each call costs the square.
      Spend(boxes->size() * 16);
      Coalesce(boxes);
    }
    if (boxes->size() > kMaxBoxes) result_.gave_up = true;
  }

  void Spend(size_t steps) {
    if (steps >= steps_left_) {
      steps_left_ = 0;
      result_.gave_up = true;
    } else {
      steps_left_ -= steps;
    }
  }

  void Unknown(const Expression& expression) {
    std::string name = expression.name;
    if (!expression.text.empty() && (name == "match" || name == "target"))
      name += " " + expression.text;
    if (unknown_.size() < 64 && unknown_.insert(name).second) result_.unknown.push_back(name);
    result_.undecided = true;
  }

  Split Divide(const Condition& condition, const Boxes& boxes) {
    Split split;
    for (const Box& box : boxes) {
      Spend(condition.boxes.size() + 1);
      Boxes touching;
      for (const Box& each : condition.boxes) {
        Box both;
        if (Intersect(box, each, &both)) touching.push_back(both);
      }
      Boxes& inside = condition.negated ? split.others : split.matching;
      Boxes& outside = condition.negated ? split.matching : split.others;
      const Boxes rest = SubtractAll({box}, touching, &steps_left_);
      if (steps_left_ == 0) result_.gave_up = true;
      // Where elements overlap, packets are there twice, with the same fate.
      Append(touching, &inside);
      Append(rest, &outside);
      if (result_.gave_up) break;
    }
    Shorten(&split.matching);
    Shorten(&split.others);
    return split;
  }

  Outcome RunChain(const Table& table, const Chain& chain, Boxes boxes, int depth) {
    Outcome outcome;
    if (depth > kMaxDepth) {
      result_.gave_up = true;
      return outcome;
    }
    uint32_t position = 0;
    for (const Rule& rule : chain.rules) {
      ++position;
      if (boxes.empty() || result_.gave_up) break;
      if (std::none_of(rule.expressions.begin(), rule.expressions.end(), HasEffect)) continue;
      boxes = RunRule({&table, &chain, &rule, position}, std::move(boxes), depth, &outcome);
      Shorten(&boxes);
    }
    Append(boxes, &outcome.left);
    return outcome;
  }

  // What goes on to the next rule.
  Boxes RunRule(const Origin& origin, Boxes boxes, int depth, Outcome* outcome) {
    Registers registers(space_, interfaces_);
    // Those that a rule doesn't match, and those that go on after it.
    Boxes next;
    for (const Expression& expression : origin.rule->expressions) {
      if (boxes.empty() || result_.gave_up) break;
      Spend(boxes.size());
      if (expression.name == "lookup") {
        if (!RunLookup(origin, expression, registers, depth, &boxes, &next, outcome)) return next;
        continue;
      }
      if (const auto verdict = VerdictOf(expression)) {
        ApplyVerdict(origin, *verdict, boxes, depth, &next, outcome);
        return next;
      }
      if (RunStatement(origin, expression, boxes, &next, outcome)) return next;
      RunExpression(origin, expression, &registers, &boxes, &next);
    }
    Append(boxes, &next);
    return next;
  }

  static std::optional<Verdict> VerdictOf(const Expression& expression) {
    if (expression.name == "immediate" && expression.data.verdict) return expression.data.verdict;
    if (expression.name == "reject") return Verdict{Verdict::Kind::kReject, ""};
    if (expression.name == "queue") return Verdict{Verdict::Kind::kQueue, ""};
    // Sent out again somewhere.
    if (expression.name == "fwd") return Verdict{Verdict::Kind::kDrop, ""};
    return std::nullopt;
  }

  // Statements after which a packet doesn't go on in this rule. False for others.
  bool RunStatement(const Origin& origin, const Expression& expression, const Boxes& boxes,
                    Boxes* next, Outcome* outcome) {
    TargetEffect effect = TargetEffect::kContinue;
    if (expression.name == "target") effect = EffectOfTarget(expression.text);
    if (expression.name == "nat" || expression.name == "redir" || expression.name == "tproxy" ||
        (expression.name == "payload" && expression.has_sreg))
      effect = TargetEffect::kTranslate;
    if (expression.name == "masq") effect = TargetEffect::kUnknown;
    if (expression.name == "synproxy") effect = TargetEffect::kQueue;
    switch (effect) {
      case TargetEffect::kContinue:
        return false;
      case TargetEffect::kDrop:
        Drop(boxes);
        return true;
      case TargetEffect::kTranslate:
        // Of the source, and where they have come in, it makes no difference here.
        if (expression.name == "nat" && expression.flags == NFT_NAT_SNAT) {
          Accept(origin, boxes, &outcome->accepted);
        } else {
          Append(boxes, &result_.translated);
        }
        return true;
      case TargetEffect::kQueue:
        ApplyVerdict(origin, {Verdict::Kind::kQueue, ""}, boxes, 0, next, outcome);
        return true;
      case TargetEffect::kUnknown:
        Unknown(expression);
        Accept(origin, boxes, &outcome->accepted);
        Drop(boxes);
        Append(boxes, next);
        return true;
    }
    return false;
  }

  void ApplyVerdict(const Origin& origin, const Verdict& verdict, const Boxes& boxes, int depth,
                    Boxes* next, Outcome* outcome) {
    switch (verdict.kind) {
      case Verdict::Kind::kAccept:
        return Accept(origin, boxes, &outcome->accepted);
      case Verdict::Kind::kDrop:
      case Verdict::Kind::kReject:
        return Drop(boxes);
      case Verdict::Kind::kQueue:
        // A program of the host decides.
        if (unknown_.insert("queue").second) result_.unknown.push_back("queue");
        result_.undecided = true;
        Accept(origin, boxes, &outcome->accepted);
        return Drop(boxes);
      case Verdict::Kind::kReturn:
        return Append(boxes, &outcome->left);
      case Verdict::Kind::kNone:
      case Verdict::Kind::kContinue:
        return Append(boxes, next);
      case Verdict::Kind::kJump:
      case Verdict::Kind::kGoto: {
        const Chain* chain = origin.table->FindChain(verdict.chain);
        if (chain == nullptr) {
          result_.gave_up = true;
          return;
        }
        const Outcome there = RunChain(*origin.table, *chain, boxes, depth + 1);
        Append(there.accepted, &outcome->accepted);
        Append(there.left, verdict.kind == Verdict::Kind::kJump ? next : &outcome->left);
        return;
      }
    }
  }

  // A condition that must hold for the rule to go on; nothing: it may, or may not.
  void Require(const Expression& expression, const MaybeCondition& condition, Boxes* boxes,
               Boxes* next) {
    if (!condition) {
      Unknown(expression);
      Append(*boxes, next);
      return;
    }
    Split split = Divide(*condition, *boxes);
    *boxes = std::move(split.matching);
    Append(split.others, next);
  }

  // Rates, and sets that rules fill: who sends chooses, so that packets go both ways, and
  // what gets through in one of them gets through.
  static void MayChoose(const Boxes& boxes, Boxes* next) { Append(boxes, next); }

  void RunExpression(const Origin&, const Expression& expression, Registers* registers,
                     Boxes* boxes, Boxes* next) {
    const std::string& name = expression.name;
    if (registers->Load(expression)) return;
    if (name == "bitwise") return registers->Bitwise(expression);
    if (name == "byteorder") return registers->ByteOrder(expression);
    if (name == "cmp") return Require(expression, registers->Compare(expression), boxes, next);
    if (name == "range") return Require(expression, registers->Range(expression), boxes, next);
    if (name == "limit" || name == "connlimit") return MayChoose(*boxes, next);
    if (name == "match" && expression.text == "limit") return MayChoose(*boxes, next);
    if (name == "match") {
      const auto conditions = ConditionsOfMatch(expression, space_);
      if (!conditions) return Require(expression, std::nullopt, boxes, next);
      for (const Condition& condition : *conditions) Require(expression, condition, boxes, next);
      return;
    }
    if (name == "dynset") return RunDynamicSet(expression, boxes, next);
    if (name == "counter" || name == "log" || name == "notrack" || name == "last" ||
        name == "target" || name == "dup" || name == "flow_offload")
      return;
    if (name == "objref" && expression.key != NFT_OBJECT_UNSPEC &&
        expression.key != NFT_OBJECT_QUOTA && expression.key != NFT_OBJECT_LIMIT &&
        expression.key != NFT_OBJECT_SYNPROXY)
      return;
    // Numbers by chance don't hold packets up.
    if (name != "numgen" && name != "hash") Require(expression, std::nullopt, boxes, next);
    registers->Forget();
  }

  void RunDynamicSet(const Expression& expression, Boxes* boxes, Boxes* next) {
    for (const Expression& inner : expression.inner) {
      if (inner.name == "limit" || inner.name == "connlimit") {
        MayChoose(*boxes, next);
      } else if (inner.name != "counter" && inner.name != "last") {
        Require(expression, std::nullopt, boxes, next);
      }
    }
    if (expression.inner.empty() && expression.inverted)
      Require(expression, std::nullopt, boxes, next);
  }

  // False when the rule ends with it: a map of verdicts.
  bool RunLookup(const Origin& origin, const Expression& expression, Registers& registers,
                 int depth, Boxes* boxes, Boxes* next, Outcome* outcome) {
    const auto set = origin.table->sets.find(expression.text);
    const auto elements = set == origin.table->sets.end()
                              ? std::nullopt
                              : registers.Elements(expression.sreg, set->second);
    const bool is_map = expression.has_dreg && expression.dreg == NFT_REG_VERDICT;
    const bool changes = space_.changing_sets.contains({origin.table, expression.text});
    if (!elements || (is_map && changes)) {
      if (set != origin.table->sets.end() && is_map)
        TryEveryVerdict(origin, expression, set->second, *boxes, depth, next, outcome);
      Require(expression, std::nullopt, boxes, next);
      if (is_map) Append(*boxes, next);
      return !is_map;
    }
    const auto all_others = std::find_if(set->second.elements.begin(), set->second.elements.end(),
                                         [](const Element& element) { return element.catch_all; });
    const bool has_others = all_others != set->second.elements.end();
    if (is_map) {
      for (const auto& [box, element] : *elements) {
        Split split = Divide({{box}, false}, *boxes);
        if (element->data && element->data->verdict)
          ApplyVerdict(origin, *element->data->verdict, split.matching, depth, next, outcome);
        *boxes = std::move(split.others);
        if (result_.gave_up) return false;
      }
      if (has_others && all_others->data && all_others->data->verdict) {
        ApplyVerdict(origin, *all_others->data->verdict, *boxes, depth, next, outcome);
      } else {
        Append(*boxes, next);
      }
      return false;
    }
    Condition condition;
    condition.negated = expression.inverted;
    for (const auto& [box, element] : *elements) condition.boxes.push_back(box);
    if (has_others) condition.boxes = {space_.all};
    if (changes) {
      // Whoever isn't in it may get into it.
      Split split = Divide(condition, *boxes);
      if (expression.inverted) {
        Append(*boxes, next);
        *boxes = std::move(split.matching);
      } else {
        Append(split.others, next);
      }
      if (expression.has_dreg) registers.Forget();
      return true;
    }
    Require(expression, condition, boxes, next);
    // A map's value is some of those that it has.
    if (expression.has_dreg) registers.Forget();
    return true;
  }

  // It can't be told which verdict of a map a packet gets: it may be any.
  void TryEveryVerdict(const Origin& origin, const Expression& expression, const Set& set,
                       const Boxes& boxes, int depth, Boxes* next, Outcome* outcome) {
    Unknown(expression);
    std::set<std::pair<int, std::string>> tried;
    for (const Element& element : set.elements) {
      if (!element.data || !element.data->verdict) continue;
      const Verdict& verdict = *element.data->verdict;
      if (!tried.emplace(static_cast<int>(verdict.kind), verdict.chain).second) continue;
      ApplyVerdict(origin, verdict, boxes, depth, next, outcome);
      if (result_.gave_up) return;
    }
  }

  const Ruleset& ruleset_;
  const Interfaces& interfaces_;
  Reachability& result_;
  const Space& space_;
  size_t steps_left_ = kMaxSteps;
  std::set<std::string> unknown_;
};

// Marks, exceptions from connection tracking, and members of sets, wherever they are made.
void FindTaints(const Ruleset& ruleset, Space* space) {
  for (const Table& table : ruleset.tables) {
    for (const Chain& chain : table.chains) {
      for (const Rule& rule : chain.rules) {
        for (const Expression& each : rule.expressions) {
          const bool marks = (each.name == "meta" && each.has_sreg && each.key == NFT_META_MARK) ||
                             (each.name == "ct" && each.has_sreg && each.key == NFT_CT_MARK) ||
                             (each.name == "target" && SetsMarks(each.text));
          if (each.name == "dynset") space->changing_sets.emplace(&table, each.text);
          const bool tracking =
              each.name == "notrack" || (each.name == "target" && ChangesTracking(each.text));
          space->marks_unknown = space->marks_unknown || marks;
          space->tracking_unknown = space->tracking_unknown || tracking;
        }
      }
    }
  }
}

}  // namespace

Reachability ComputeReachability(const Ruleset& ruleset, const Interfaces& interfaces, bool is_ipv6,
                                 uint8_t protocol) {
  Reachability result;
  result.space.is_ipv6 = is_ipv6;
  result.space.protocol = protocol;
  const Value last_address = is_ipv6 ? ~Value{0} : Value{0xffffffff};
  Box& all = result.space.all;
  all.sides[kSource] = all.sides[kDestination] = {0, last_address};
  all.sides[kSourcePort] = all.sides[kDestinationPort] = {0, 0xffff};
  all.sides[kInterface] = {0, interfaces.names.size() - 1};
  FindTaints(ruleset, &result.space);
  Evaluation(ruleset, interfaces, &result).Run();
  return result;
}

}  // namespace dragnet::firewall
