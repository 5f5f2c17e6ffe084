#include "modules/scan/rule_facts.h"

#include <algorithm>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "core/strings.h"
#include "modules/scan/rule_text.h"

namespace dragnet::scan {
namespace {

using Kind = RuleToken::Kind;

// Reads at fixed offsets below this are served by a window at the beginning.
constexpr uint64_t kMaxHead = 4096;

// uint8, int32be and their like.
bool IsReadFunction(std::string_view word) {
  if (word.starts_with("u")) word.remove_prefix(1);
  if (!word.starts_with("int")) return false;
  word.remove_prefix(3);
  if (word.ends_with("be")) word.remove_suffix(2);
  return word == "8" || word == "16" || word == "32";
}

// A number below kMaxHead; nothing larger is of interest.
bool ParseOffset(std::string_view word, uint64_t& value) {
  if (word.size() > 6) return false;
  const bool ok = word.starts_with("0x") ? absl::SimpleHexAtoi(ToAbsl(word), &value)
                                         : absl::SimpleAtoi(ToAbsl(word), &value);
  return ok && value < kMaxHead;
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
    modules_.insert(name.text.substr(1, name.text.size() - 2));
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

  void ReadCondition(std::span<const RuleToken> tokens, RuleFacts& rule) const {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i].kind != Kind::kWord) continue;
      const std::string_view word = tokens[i].text;
      if (word == "filesize") {
        rule.reads_file_size = true;
      } else if (word == "entrypoint" || modules_.contains(word)) {
        rule.reads_data = true;
      } else if (IsReadFunction(word)) {
        uint64_t offset;
        if (i + 3 < tokens.size() && tokens[i + 1].text == "(" && tokens[i + 3].text == ")" &&
            ParseOffset(tokens[i + 2].text, offset)) {
          rule.head_bytes = std::max(rule.head_bytes, offset + 8);
        } else {
          rule.reads_data = true;
        }
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
  std::vector<std::span<const RuleToken>> conditions_;
  absl::flat_hash_map<std::string_view, size_t> by_name_;
  absl::flat_hash_set<std::string_view> modules_;
  size_t at_ = 0;
};

}  // namespace

SourceFacts ReadFacts(std::string_view source) { return FactReader(source).Run(); }

}  // namespace dragnet::scan
