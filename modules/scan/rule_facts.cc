#include "modules/scan/rule_facts.h"

#include <algorithm>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "core/strings.h"
#include "modules/scan/rule_text.h"

namespace dragnet::scan {
namespace {

using Kind = RuleToken::Kind;

// uint8, int32be and their like.
bool IsReadFunction(std::string_view word) {
  if (word.starts_with("u")) word.remove_prefix(1);
  if (!word.starts_with("int")) return false;
  word.remove_prefix(3);
  if (word.ends_with("be")) word.remove_suffix(2);
  return word == "8" || word == "16" || word == "32";
}

using Tokens = std::span<const RuleToken>;

// Modules that see the data as stretches, however it is cut; or not at all.
bool ReadsStretchesOnly(std::string_view module) {
  return module == "math" || module == "hash" || module == "time" || module == "console";
}

// `tokens` cut at the words `word` that are in no bracket.
std::vector<Tokens> SplitAt(Tokens tokens, std::string_view word) {
  std::vector<Tokens> parts;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view text = tokens[i].text;
    if (text == "(" || text == "[") ++depth;
    if (text == ")" || text == "]") --depth;
    if (depth != 0 || text != word) continue;
    parts.push_back(tokens.subspan(begin, i - begin));
    begin = i + 1;
  }
  parts.push_back(tokens.subspan(begin));
  return parts;
}

// Whether the first token opens a bracket that the last one closes.
bool IsBracketed(Tokens tokens) {
  if (tokens.size() < 2 || tokens.front().text != "(" || tokens.back().text != ")") return false;
  int depth = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].text == "(") ++depth;
    if (tokens[i].text == ")" && --depth == 0) return i + 1 == tokens.size();
  }
  return false;
}

bool IsPositive(std::string_view word) {
  int number;
  return absl::SimpleAtoi(ToAbsl(word), &number) && number > 0;
}

// Whether the condition `tokens` is false if none of its rule's strings occurs.
bool NeedsString(Tokens tokens, int depth = 0) {
  if (tokens.empty() || depth > 100) return false;
  if (IsBracketed(tokens)) return NeedsString(tokens.subspan(1, tokens.size() - 2), depth + 1);
  const auto needs = [&](Tokens part) { return NeedsString(part, depth + 1); };
  if (const auto either = SplitAt(tokens, "or"); either.size() > 1)
    return std::all_of(either.begin(), either.end(), needs);
  if (const auto all = SplitAt(tokens, "and"); all.size() > 1)
    return std::any_of(all.begin(), all.end(), needs);

  const std::string_view first = tokens[0].text;
  const auto text = [&](size_t i) { return i < tokens.size() ? tokens[i].text : ""; };
  if (tokens[0].kind == Kind::kIdentifier && first[0] == '$')
    return tokens.size() == 1 || text(1) == "at" || text(1) == "in";
  if (tokens[0].kind == Kind::kIdentifier && first[0] == '#')
    return tokens.size() == 3 && text(1) == ">" && (text(2) == "0" || IsPositive(text(2)));
  if ((first == "any" || first == "all" || IsPositive(first)) && text(1) == "of")
    return text(2) == "them" || (text(2) == "(" && text(3).starts_with("$"));
  return false;
}

class FactReader {
 public:
  explicit FactReader(std::string_view source) : source_(source) {}

  SourceFacts Run() {
    SourceFacts facts;
    if (!TokenizeRules(source_, tokens_)) return facts;
    while (at_ < tokens_.size()) {
      if (!(Is("import") ? ReadImport(facts) : ReadRule(facts))) return facts;
    }
    for (size_t i = 0; i < facts.rules.size(); ++i) by_name_[facts.rules[i].name] = i;
    if (by_name_.size() != facts.rules.size()) return facts;
    for (size_t i = 0; i < facts.rules.size(); ++i) ReadCondition(conditions_[i], facts.rules[i]);
    facts.understood = true;
    return facts;
  }

 private:
  bool Is(std::string_view text) const { return at_ < tokens_.size() && tokens_[at_].text == text; }

  bool ReadImport(SourceFacts& facts) {
    const size_t begin = tokens_[at_++].offset;
    if (at_ >= tokens_.size() || tokens_[at_].kind != Kind::kText) return false;
    const RuleToken& name = tokens_[at_++];
    facts.imports.push_back(source_.substr(begin, name.offset + name.text.size() - begin));
    modules_.emplace(name.text.substr(1, name.text.size() - 2), facts.imports.size() - 1);
    return true;
  }

  bool ReadRule(SourceFacts& facts) {
    RuleFacts rule;
    const size_t begin = tokens_[at_].offset;
    for (; Is("private") || Is("global"); ++at_) rule.is_global |= Is("global");
    if (!Is("rule")) return false;
    ++at_;
    if (at_ >= tokens_.size() || tokens_[at_].kind != Kind::kWord) return false;
    rule.name = tokens_[at_].text;
    size_t condition = 0;
    for (; at_ < tokens_.size() && !Is("}"); ++at_) {
      // A rule's name, tag or metadata can't be called so: it is a keyword.
      if (Is("condition")) condition = at_ + 2;
    }
    if (at_ >= tokens_.size() || condition == 0 || condition > at_) return false;
    conditions_.push_back(std::span(tokens_).subspan(condition, at_ - condition));
    rule.text = source_.substr(begin, tokens_[at_].offset + 1 - begin);
    ++at_;
    facts.rules.push_back(std::move(rule));
    return true;
  }

  void ReadCondition(Tokens tokens, RuleFacts& rule) const {
    rule.needs_string = NeedsString(tokens);
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i].kind != Kind::kWord) continue;
      const std::string_view word = tokens[i].text;
      if (word == "filesize") {
        rule.reads_file_size = true;
      } else if (word == "entrypoint") {
        rule.reads_entry_point = true;
      } else if (const auto module = modules_.find(word); module != modules_.end()) {
        rule.modules.push_back(module->second);
        rule.reads_data = true;
        rule.parses_file |= !ReadsStretchesOnly(word);
      } else if (IsReadFunction(word)) {
        rule.reads_data = true;
      } else if (i + 2 < tokens.size() && tokens[i + 1].text == "*" &&
                 (tokens[i + 2].text == ")" || tokens[i + 2].text == ",")) {
        // `any of (prefix*)`: a set of rules.
        for (const auto& [name, index] : by_name_) {
          if (name.starts_with(word)) rule.references.push_back(index);
        }
      } else if (const auto named = by_name_.find(word); named != by_name_.end()) {
        rule.references.push_back(named->second);
      }
    }
  }

  const std::string_view source_;
  std::vector<RuleToken> tokens_;
  std::vector<Tokens> conditions_;
  absl::flat_hash_map<std::string_view, size_t> by_name_;
  absl::flat_hash_map<std::string_view, size_t> modules_;
  size_t at_ = 0;
};

}  // namespace

SourceFacts ReadFacts(std::string_view source) { return FactReader(source).Run(); }

}  // namespace dragnet::scan
