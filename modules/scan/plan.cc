#include "modules/scan/plan.h"

#include <algorithm>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/scan/engine.h"
#include "modules/scan/rule_facts.h"

namespace dragnet::scan {
namespace {

// Whether a rule matches where there is nothing but a condition.
absl::StatusOr<bool> AnyMatchesNothing(YR_RULES* rules) {
  BufferSource nothing("");
  std::vector<YaraMatch> matches;
  for (const Engine::Item& item : {Engine::Item{0}, Engine::Item{}}) {
    Engine engine(rules, {0, 0});
    DRAGNET_RETURN_IF_ERROR(engine.Scan(nothing, {}, item, matches));
  }
  return !matches.empty();
}

absl::Status Describe(std::span<const RuleFacts* const> facts, Part& part) {
  if (part.need == Need::kWhole) return absl::OkStatus();
  bool depends_on_item = false;
  for (const RuleFacts* rule : facts) {
    part.parses_file |= rule->parses_file;
    depends_on_item |= (rule->reads_data || rule->reads_file_size) && !rule->needs_string;
  }
  DRAGNET_ASSIGN_OR_RETURN(const bool matches_nothing, AnyMatchesNothing(part.rules.get()));
  part.evaluate_without_windows = depends_on_item || matches_nothing;
  return absl::OkStatus();
}

// By rule: what it needs by what it reads and what its strings are, or because
// it names a rule that needs as much.
std::vector<Need> NeedsOf(const SourceFacts& facts, const RuleSet& set) {
  std::vector<Need> needs(facts.rules.size(), Need::kWindows);
  for (size_t i = 0; i < needs.size(); ++i) {
    const RuleFacts& rule = facts.rules[i];
    if (rule.reads_data) needs[i] = Need::kReadable;
    if (rule.reads_entry_point) needs[i] = Need::kWhole;
    YR_STRING* string;
    yr_rule_strings_foreach((&set.rules->rules_table[i]), string) {
      if (!IsFilterable(*set.rules, *string, set.lengths)) needs[i] = Need::kWhole;
    }
    // Rules name earlier rules only.
    for (size_t named : rule.references) needs[i] = std::max(needs[i], needs[named]);
  }
  // A global rule decides about all others, so they stay together.
  const bool has_global = std::any_of(facts.rules.begin(), facts.rules.end(),
                                      [](const RuleFacts& rule) { return rule.is_global; });
  if (has_global)
    std::fill(needs.begin(), needs.end(), *std::max_element(needs.begin(), needs.end()));
  return needs;
}

// Rules compiled for themselves, with those that they name.
absl::StatusOr<RuleSet> CompileSubset(const SourceFacts& facts,
                                      std::span<const std::string> externals,
                                      const std::vector<bool>& wanted,
                                      absl::flat_hash_set<std::string>& silent,
                                      std::vector<const RuleFacts*>& included) {
  std::vector<bool> taken = wanted;
  for (size_t i = taken.size(); i-- > 0;) {
    if (!taken[i]) continue;
    for (size_t named : facts.rules[i].references) taken[named] = true;
  }
  // An import costs the parsing of each item, so only those that are used.
  std::vector<bool> imported(facts.imports.size());
  std::string rules;
  for (size_t i = 0; i < taken.size(); ++i) {
    if (!taken[i]) continue;
    for (size_t module : facts.rules[i].modules) imported[module] = true;
    StrAppend(&rules, facts.rules[i].text, "\n");
    included.push_back(&facts.rules[i]);
    if (!wanted[i]) silent.insert(std::string(facts.rules[i].name));
  }
  std::string source;
  for (size_t i = 0; i < imported.size(); ++i) {
    if (imported[i]) StrAppend(&source, facts.imports[i], "\n");
  }
  StrAppend(&source, rules);
  return CompileRules(source, externals);
}

// Fills in the parts, or fails where the rules can't be told apart surely.
absl::Status Split(const SourceFacts& facts, std::span<const std::string> externals, RuleSet& set,
                   YaraRules::Compiled& compiled) {
  if (!facts.understood || facts.rules.size() != set.rules->num_rules)
    return absl::UnimplementedError("the source is not understood");
  for (size_t i = 0; i < facts.rules.size(); ++i) {
    if (facts.rules[i].name != set.rules->rules_table[i].identifier)
      return absl::UnimplementedError("the source is not understood");
  }
  const std::vector<Need> needs = NeedsOf(facts, set);
  std::vector<bool> filtered(needs.size());
  for (size_t i = 0; i < needs.size(); ++i) filtered[i] = needs[i] != Need::kWhole;
  DRAGNET_ASSIGN_OR_RETURN(compiled.filter, Prefilter::Create(*set.rules, set.lengths, filtered));
  for (const Need need : {Need::kWindows, Need::kReadable, Need::kWhole}) {
    std::vector<bool> wanted(needs.size());
    for (size_t i = 0; i < needs.size(); ++i) wanted[i] = needs[i] == need;
    if (std::count(wanted.begin(), wanted.end(), true) == 0) continue;
    Part part;
    part.need = need;
    std::vector<const RuleFacts*> included;
    DRAGNET_ASSIGN_OR_RETURN(RuleSet subset,
                             CompileSubset(facts, externals, wanted, part.silent, included));
    if (subset.rules->num_rules != included.size())
      return absl::InternalError("rules changed by being taken apart");
    part.rules = std::move(subset.rules);
    DRAGNET_RETURN_IF_ERROR(Describe(included, part));
    compiled.parts.push_back(std::move(part));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<const YaraRules::Compiled>> PlanRules(
    const std::string& source, std::span<const std::string> externals, bool use_prefilter) {
  DRAGNET_ASSIGN_OR_RETURN(RuleSet set, CompileRules(source, externals));
  auto compiled = std::make_unique<YaraRules::Compiled>();
  for (uint32_t i = 0; i < set.rules->num_rules; ++i)
    compiled->order.emplace(set.rules->rules_table[i].identifier, i);
  if (use_prefilter) {
    // What can't be split is scanned whole: slower, but with the same matches.
    if (Split(ReadFacts(source), externals, set, *compiled).ok()) return compiled;
    compiled->parts.clear();
  }
  DRAGNET_ASSIGN_OR_RETURN(
      compiled->filter,
      Prefilter::Create(*set.rules, set.lengths, std::vector<bool>(set.rules->num_rules)));
  Part whole;
  whole.rules = std::move(set.rules);
  compiled->parts.push_back(std::move(whole));
  return compiled;
}

}  // namespace dragnet::scan
