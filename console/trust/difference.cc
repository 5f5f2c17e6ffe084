#include "console/trust/difference.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_join.h"
#include "console/output/cell.h"
#include "console/trust/ca_certificate.h"
#include "console/trust/edit.h"
#include "console/trust/keys.h"
#include "console/trust/reach.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// Name of something to what it is: keys by id, weights by person.
using Words = std::map<std::string, std::string>;
using Weights = std::map<std::string, uint32_t>;

class Comparison {
 public:
  Comparison(const v1::TrustPolicy& before, const v1::TrustPolicy& after,
             const ModuleCatalog& catalog)
      : before_(before), after_(after), catalog_(catalog) {}

  std::vector<Change> Run() {
    CompareDocument();
    CompareRoots();
    CompareReleaseKeys();
    CompareCas();
    ComparePeople();
    CompareModules();
    CompareReach();
    return std::move(changes_);
  }

 private:
  void Add(std::string text, std::string danger = "") {
    changes_.push_back({std::move(text), std::move(danger)});
  }

  void CompareDocument();
  void CompareRoots();
  void CompareReleaseKeys();
  void CompareCas();
  void ComparePeople();
  void ComparePerson(const v1::Investigator& before, const v1::Investigator& after);
  void CompareModules();
  void CompareRules(const v1::ModulePolicy& before, const v1::ModulePolicy& after);
  void CompareReach();

  const v1::TrustPolicy& before_;
  const v1::TrustPolicy& after_;
  const ModuleCatalog& catalog_;
  // A change of someone's weight to the modules for which it is the same: a
  // person who is added has often one for all.
  std::map<std::string, std::vector<std::string>> weights_;
  std::vector<Change> changes_;
};

std::string TimeWords(const google::protobuf::Timestamp& time) {
  const absl::StatusOr<absl::Time> parsed = ToTime(time);
  return parsed.ok() ? LocalTime(*parsed) : "?";
}

Words KeysOf(const google::protobuf::RepeatedPtrField<v1::PublicKey>& keys) {
  Words words;
  for (const v1::PublicKey& key : keys) words[key.SerializeAsString()] = KeyWords(key);
  return words;
}

Words CasOf(const v1::TrustPolicy& policy) {
  Words words;
  for (const std::string& der : policy.ca_certificates()) words[der] = CaWords(der);
  return words;
}

// Values of `a` whose keys `b` hasn't.
std::vector<std::string> Without(const Words& a, const Words& b) {
  std::vector<std::string> values;
  for (const auto& [key, value] : a)
    if (!b.contains(key)) values.push_back(value);
  return values;
}

std::string RolesWords(const v1::Investigator& person) {
  std::vector<std::string> words;
  for (const int role : person.roles()) words.push_back(RoleWord(role));
  return words.empty() ? "no role" : absl::StrJoin(words, ", ");
}

bool Is(v1::Role role, const v1::Investigator& person) {
  return std::find(person.roles().begin(), person.roles().end(), role) != person.roles().end();
}

Weights WeightsOf(const v1::ModulePolicy& rule) {
  Weights weights;
  for (const v1::Weight& entry : rule.weights()) weights[entry.investigator()] = entry.weight();
  return weights;
}

std::string WeightsWords(const v1::ModulePolicy& rule) {
  std::vector<std::string> words;
  for (const auto& [name, weight] : WeightsOf(rule)) words.push_back(StrCat(name, " ", weight));
  return words.empty() ? "no one has weight" : absl::StrJoin(words, ", ");
}

std::string People(size_t count) { return count == 1 ? "one person" : StrCat(count, " people"); }

constexpr char kOperatorDanger[] =
    "may publish signed policies, revoke certificates and make enrolment tokens";

void Comparison::CompareDocument() {
  if (before_.fleet_id() != after_.fleet_id()) {
    Add(StrCat("fleet ", before_.fleet_id(), " -> ", after_.fleet_id()),
        "no agent of the old fleet takes it");
  }
  if (before_.version() != after_.version()) {
    Add(StrCat("version ", before_.version(), " -> ", after_.version()),
        after_.version() < before_.version() ? "agents never go back to an older version" : "");
  }
  if (TimeWords(before_.expires()) != TimeWords(after_.expires())) {
    Add(StrCat("expires ", TimeWords(before_.expires()), " -> ", TimeWords(after_.expires())));
  }
}

void Comparison::CompareRoots() {
  const Words before = KeysOf(before_.roots().keys());
  const Words after = KeysOf(after_.roots().keys());
  for (const std::string& key : Without(after, before)) {
    Add(StrCat("root key added: ", key), "who holds it helps to make every later policy");
  }
  for (const std::string& key : Without(before, after)) {
    Add(StrCat("root key removed: ", key), "it signs no later policy");
  }
  const uint32_t old_threshold = before_.roots().threshold();
  const uint32_t threshold = after_.roots().threshold();
  if (old_threshold != threshold) {
    Add(StrCat("root keys that must sign a policy: ", old_threshold, " -> ", threshold),
        threshold < old_threshold ? "fewer people decide who may order what"
                                  : "more root keys must be at hand for the next policy");
  }
}

void Comparison::CompareReleaseKeys() {
  const Words before = KeysOf(before_.release_keys().keys());
  const Words after = KeysOf(after_.release_keys().keys());
  for (const std::string& key : Without(after, before)) {
    Add(StrCat("release key added: ", key),
        "who holds it helps to say which programs run as root on every host");
  }
  for (const std::string& key : Without(before, after)) {
    Add(StrCat("release key removed: ", key), "releases that it signed lose its signature");
  }
  const uint32_t old_threshold = before_.release_keys().threshold();
  const uint32_t threshold = after_.release_keys().threshold();
  if (old_threshold == threshold) return;
  if (threshold == 0) {
    Add("no release keys any more", "only the root keys can make a release");
  } else if (old_threshold == 0) {
    Add(StrCat("release keys that must sign a release: ", threshold, " of ", after.size()),
        "only the root keys could make one before");
  } else {
    Add(StrCat("release keys that must sign a release: ", old_threshold, " -> ", threshold),
        threshold < old_threshold ? "fewer people say which programs run as root on every host"
                                  : "more release keys must be at hand for the next release");
  }
}

void Comparison::CompareCas() {
  const Words before = CasOf(before_);
  const Words after = CasOf(after_);
  for (const std::string& ca : Without(after, before)) {
    Add(StrCat("CA added: ", ca), "agents talk to a scheduler that it issued a certificate for");
  }
  for (const std::string& ca : Without(before, after)) {
    Add(StrCat("CA removed: ", ca),
        "agents no longer talk to a scheduler whose certificate it issued");
  }
}

void Comparison::ComparePerson(const v1::Investigator& before, const v1::Investigator& after) {
  const Words old_keys = KeysOf(before.keys());
  const Words keys = KeysOf(after.keys());
  for (const std::string& key : Without(keys, old_keys)) {
    Add(StrCat(after.name(), ": key added: ", key), "compare the id with its owner's");
  }
  for (const std::string& key : Without(old_keys, keys)) {
    Add(StrCat(after.name(), ": key removed: ", key));
  }
  if (RolesWords(before) != RolesWords(after)) {
    Add(StrCat(after.name(), ": ", RolesWords(before), " -> ", RolesWords(after)),
        Is(v1::ROLE_OPERATOR, after) && !Is(v1::ROLE_OPERATOR, before) ? kOperatorDanger : "");
  }
}

void Comparison::ComparePeople() {
  std::map<std::string, const v1::Investigator*> before;
  for (const v1::Investigator& person : before_.investigators()) before[person.name()] = &person;
  std::set<std::string> after;
  for (const v1::Investigator& person : after_.investigators()) {
    after.insert(person.name());
    if (const auto old = before.find(person.name()); old != before.end()) {
      ComparePerson(*old->second, person);
      continue;
    }
    Add(StrCat("investigator added: ", person.name(), " (", RolesWords(person), ")"),
        Is(v1::ROLE_OPERATOR, person) ? kOperatorDanger : "");
    for (const v1::PublicKey& key : person.keys()) {
      Add(StrCat(person.name(), ": key added: ", KeyWords(key)), "compare the id with its owner's");
    }
  }
  for (const auto& [name, person] : before) {
    if (!after.contains(name)) Add(StrCat("investigator removed: ", name));
  }
}

void Comparison::CompareRules(const v1::ModulePolicy& before, const v1::ModulePolicy& after) {
  if (before.minimum_weight() != after.minimum_weight()) {
    Add(StrCat("module ", after.module(), ": minimum weight ", before.minimum_weight(), " -> ",
               after.minimum_weight()),
        after.minimum_weight() < before.minimum_weight() ? "it takes less to run it" : "");
  }
  const Weights old_weights = WeightsOf(before);
  const Weights weights = WeightsOf(after);
  std::set<std::string> names;
  for (const auto& [name, weight] : old_weights) names.insert(name);
  for (const auto& [name, weight] : weights) names.insert(name);
  for (const std::string& name : names) {
    const auto old = old_weights.find(name);
    const auto now = weights.find(name);
    const uint32_t old_weight = old == old_weights.end() ? 0 : old->second;
    const uint32_t weight = now == weights.end() ? 0 : now->second;
    if (old_weight != weight) {
      weights_[StrCat("weight of ", name, " ", old_weight, " -> ", weight)].push_back(
          after.module());
    }
  }
}

void Comparison::CompareModules() {
  for (const v1::ModulePolicy& rule : after_.modules()) {
    const v1::ModulePolicy* old = RuleOf(before_, rule.module());
    if (old != nullptr) {
      CompareRules(*old, rule);
    } else {
      Add(StrCat("module ", rule.module(), " may be used: weight ", rule.minimum_weight(),
                 " needed; ", WeightsWords(rule)),
          "no one could run it before");
    }
  }
  for (const auto& [change, modules] : weights_) {
    Add(StrCat(modules.size() == 1 ? "module " : "modules ", absl::StrJoin(modules, ", "), ": ",
               change));
  }
  for (const v1::ModulePolicy& rule : before_.modules()) {
    if (RuleOf(after_, rule.module()) == nullptr) {
      Add(StrCat("module ", rule.module(), ": its rule is removed"), "nobody can run it any more");
    }
  }
}

void Comparison::CompareReach() {
  // By person, since one who is added with a weight of 1 everywhere can do much.
  std::map<std::string, std::vector<std::string>> alone;
  for (const v1::ModulePolicy& rule : after_.modules()) {
    const std::string& module = rule.module();
    const std::set<std::string> old = AloneEnough(before_, module, catalog_);
    for (const std::string& name : AloneEnough(after_, module, catalog_))
      if (!old.contains(name)) alone[name].push_back(module);
    const std::optional<size_t> old_fewest = FewestPeople(before_, module);
    const std::optional<size_t> fewest = FewestPeople(after_, module);
    if (old_fewest.has_value() && fewest.has_value() && *fewest < *old_fewest) {
      Add(StrCat("module ", module, ": ", People(*fewest), " can run it"),
          StrCat("it took ", People(*old_fewest)));
    }
  }
  for (const auto& [name, modules] : alone) {
    Add(StrCat(name, " alone may run: ", absl::StrJoin(modules, ", ")),
        "no second person has to agree");
  }
  std::vector<std::string> old_problems = Problems(before_, catalog_);
  for (const std::string& problem : Problems(after_, catalog_)) {
    const bool old =
        std::find(old_problems.begin(), old_problems.end(), problem) != old_problems.end();
    Add(problem, old ? "it was so before" : "it wasn't so before");
  }
}

}  // namespace

std::vector<Change> Differences(const v1::TrustPolicy& before, const v1::TrustPolicy& after,
                                const ModuleCatalog& catalog) {
  return Comparison(before, after, catalog).Run();
}

std::string DescribeChanges(const std::vector<Change>& changes) {
  if (changes.empty()) return "  Nothing changes.\n";
  std::string text;
  for (const Change& change : changes) {
    StrAppend(&text, change.danger.empty() ? "  " : "! ", ForTerminal(change.text), "\n");
    if (!change.danger.empty()) StrAppend(&text, "    ", ForTerminal(change.danger), "\n");
  }
  return text;
}

}  // namespace dragnet::console
