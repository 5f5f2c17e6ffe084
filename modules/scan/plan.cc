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

absl::Status AddFilter(const RuleSet& set, std::span<const RuleFacts* const> facts, Part& part) {
  DRAGNET_ASSIGN_OR_RETURN(part.filter, Prefilter::Create(*set.rules, set.lengths));
  bool depends_on_item = false;
  for (const RuleFacts* rule : facts) {
    part.head_bytes = std::max(part.head_bytes, rule->head_bytes);
    depends_on_item |= rule->reads_file_size || rule->head_bytes > 0;
  }
  DRAGNET_ASSIGN_OR_RETURN(const bool matches_nothing, AnyMatchesNothing(set.rules.get()));
  part.evaluate_without_windows = depends_on_item || matches_nothing;
  return absl::OkStatus();
}

// By rule: whether it must see all of the data, by what it reads and by what
// its strings are, or because it names a rule that must.
std::vector<bool> NeedsAllData(const SourceFacts& facts, const RuleSet& set) {
  std::vector<bool> needs(facts.rules.size());
  for (size_t i = 0; i < needs.size(); ++i) {
    needs[i] = facts.rules[i].reads_data;
    YR_STRING* string;
    yr_rule_strings_foreach((&set.rules->rules_table[i]), string) {
      if (!IsFilterable(*set.rules, *string, set.lengths)) needs[i] = true;
    }
  }
  // Rules name earlier rules only, so one pass in order reaches all.
  for (size_t i = 0; i < needs.size(); ++i) {
    for (size_t named : facts.rules[i].references) needs[i] = needs[i] || needs[named];
  }
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
  std::string source;
  for (std::string_view import : facts.imports) StrAppend(&source, import, "\n");
  for (size_t i = 0; i < taken.size(); ++i) {
    if (!taken[i]) continue;
    StrAppend(&source, facts.rules[i].text, "\n");
    included.push_back(&facts.rules[i]);
    if (!wanted[i]) silent.insert(std::string(facts.rules[i].name));
  }
  return CompileRules(source, externals);
}

// Fills in the parts, or fails where the rules can't be told apart surely.
absl::Status Split(const SourceFacts& facts, std::span<const std::string> externals, RuleSet& set,
                   std::vector<Part>& parts) {
  if (!facts.understood || facts.rules.size() != set.rules->num_rules)
    return absl::UnimplementedError("the source is not understood");
  std::vector<const RuleFacts*> all;
  bool has_global = false;
  for (size_t i = 0; i < facts.rules.size(); ++i) {
    if (facts.rules[i].name != set.rules->rules_table[i].identifier)
      return absl::UnimplementedError("the source is not understood");
    has_global |= facts.rules[i].is_global;
    all.push_back(&facts.rules[i]);
  }
  std::vector<bool> needs = NeedsAllData(facts, set);
  const auto count = std::count(needs.begin(), needs.end(), true);
  if (count == 0) {
    Part part;
    DRAGNET_RETURN_IF_ERROR(AddFilter(set, all, part));
    part.rules = std::move(set.rules);
    parts.push_back(std::move(part));
    return absl::OkStatus();
  }
  // A global rule decides about all others, so they stay together.
  if (has_global || static_cast<size_t>(count) == needs.size())
    return absl::UnimplementedError("all rules need all data");
  for (const bool filtered : {true, false}) {
    std::vector<bool> wanted = needs;
    if (filtered) wanted.flip();
    Part part;
    std::vector<const RuleFacts*> included;
    DRAGNET_ASSIGN_OR_RETURN(RuleSet subset,
                             CompileSubset(facts, externals, wanted, part.silent, included));
    if (subset.rules->num_rules != included.size())
      return absl::InternalError("rules changed by being taken apart");
    if (filtered) DRAGNET_RETURN_IF_ERROR(AddFilter(subset, included, part));
    part.rules = std::move(subset.rules);
    parts.push_back(std::move(part));
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
    if (Split(ReadFacts(source), externals, set, compiled->parts).ok()) return compiled;
    compiled->parts.clear();
  }
  Part whole;
  whole.rules = std::move(set.rules);
  compiled->parts.push_back(std::move(whole));
  return compiled;
}

}  // namespace dragnet::scan
