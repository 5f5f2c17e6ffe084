#include "console/trust/reach.h"

#include <algorithm>
#include <functional>

#include "core/strings.h"

namespace dragnet::console {
namespace {

// The rules that an operation of `module` must meet; itself where this version
// doesn't know it.
std::vector<std::string> Needed(std::string_view module, const ModuleCatalog& catalog) {
  std::vector<std::string> needed = catalog.WeightsNeeded(module);
  if (needed.empty()) needed.emplace_back(module);
  return needed;
}

uint64_t WeightOf(const v1::ModulePolicy& rule, const std::set<std::string>& people) {
  uint64_t weight = 0;
  for (const v1::Weight& entry : rule.weights())
    if (people.contains(entry.investigator())) weight += entry.weight();
  return weight;
}

std::set<std::string> Everyone(const v1::TrustPolicy& policy) {
  std::set<std::string> names;
  for (const v1::Investigator& person : policy.investigators()) names.insert(person.name());
  return names;
}

bool SomeoneIs(v1::Role role, const v1::TrustPolicy& policy) {
  return std::any_of(policy.investigators().begin(), policy.investigators().end(),
                     [&](const v1::Investigator& person) {
                       return std::find(person.roles().begin(), person.roles().end(), role) !=
                              person.roles().end();
                     });
}

}  // namespace

const v1::ModulePolicy* RuleOf(const v1::TrustPolicy& policy, std::string_view module) {
  for (const v1::ModulePolicy& rule : policy.modules())
    if (rule.module() == module) return &rule;
  return nullptr;
}

bool Suffice(const v1::TrustPolicy& policy, std::string_view module,
             const std::set<std::string>& people, const ModuleCatalog& catalog) {
  for (const std::string& name : Needed(module, catalog)) {
    const v1::ModulePolicy* rule = RuleOf(policy, name);
    if (rule == nullptr || WeightOf(*rule, people) < rule->minimum_weight()) return false;
  }
  return true;
}

std::set<std::string> AloneEnough(const v1::TrustPolicy& policy, std::string_view module,
                                  const ModuleCatalog& catalog) {
  std::set<std::string> names;
  for (const std::string& name : Everyone(policy))
    if (Suffice(policy, module, {name}, catalog)) names.insert(name);
  return names;
}

std::optional<size_t> FewestPeople(const v1::TrustPolicy& policy, std::string_view module) {
  const v1::ModulePolicy* rule = RuleOf(policy, module);
  if (rule == nullptr) return std::nullopt;
  std::vector<uint64_t> weights;
  for (const v1::Weight& entry : rule->weights()) weights.push_back(entry.weight());
  std::sort(weights.begin(), weights.end(), std::greater<>());
  uint64_t together = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    together += weights[i];
    if (together >= rule->minimum_weight()) return i + 1;
  }
  return std::nullopt;
}

std::string WhyNobody(const v1::TrustPolicy& policy, std::string_view module,
                      const ModuleCatalog& catalog) {
  const std::set<std::string> everyone = Everyone(policy);
  for (const std::string& name : Needed(module, catalog)) {
    const v1::ModulePolicy* rule = RuleOf(policy, name);
    const std::string power = name == module ? "" : StrCat(", whose powers it uses,");
    if (rule == nullptr) return StrCat("module ", name, power, " has no rule");
    const uint64_t together = WeightOf(*rule, everyone);
    if (together < rule->minimum_weight()) {
      return StrCat("module ", name, power, " needs weight ", rule->minimum_weight(),
                    ", and all together have ", together);
    }
  }
  return "";
}

std::vector<std::string> Problems(const v1::TrustPolicy& policy, const ModuleCatalog& catalog) {
  std::vector<std::string> problems;
  for (const v1::ModulePolicy& rule : policy.modules()) {
    if (const std::string why = WhyNobody(policy, rule.module(), catalog); !why.empty())
      problems.push_back(StrCat("nobody can run ", rule.module(), ": ", why));
    if (catalog.Find(rule.module()) == nullptr) {
      problems.push_back(StrCat("module ", rule.module(),
                                ": this version has none of this name; is it spelled right?"));
    }
  }
  if (!SomeoneIs(v1::ROLE_OPERATOR, policy)) {
    problems.push_back(
        "no one has the role operator: no one could publish the next policy, or revoke anything");
  }
  if (!SomeoneIs(v1::ROLE_INVESTIGATOR, policy)) {
    problems.push_back("no one has the role investigator: no one could launch anything");
  }
  return problems;
}

}  // namespace dragnet::console
