#include "modules/persistence/udev_rule.h"

#include <optional>
#include <vector>

#include "core/strings.h"
#include "modules/persistence/host.h"

namespace dragnet::persistence {
namespace {

constexpr size_t kMaxConditions = 512;

struct Token {
  // With attribute and operator: ATTR{idVendor}==.
  std::string_view key;
  std::string_view op;
  std::string value;
  std::string_view whole;
};

bool IsSeparator(char c) { return c == ' ' || c == '\t' || c == ',' || c == '\r'; }

// KEY{ATTRIBUTE}OP"VALUE", taken off `*text`. Nothing when it isn't of that form.
std::optional<Token> TakeToken(std::string_view* text) {
  Token token;
  const std::string_view whole = *text;
  size_t at = 0;
  bool in_attribute = false;
  while (at < whole.size() &&
         (in_attribute || std::string_view("=!+-:").find(whole[at]) == std::string_view::npos)) {
    if (whole[at] == '{') in_attribute = true;
    if (whole[at] == '}') in_attribute = false;
    ++at;
  }
  token.key = Trim(whole.substr(0, at));
  const size_t operator_at = at;
  while (at < whole.size() && std::string_view("=!+-:").find(whole[at]) != std::string_view::npos)
    ++at;
  token.op = whole.substr(operator_at, at - operator_at);
  while (at < whole.size() && IsSeparator(whole[at])) ++at;
  // i"…" is without regard to case, e"…" has escapes, of which \" is one in all.
  while (at < whole.size() && (whole[at] == 'i' || whole[at] == 'e')) ++at;
  if (token.key.empty() || token.op.empty() || at == whole.size() || whole[at] != '"')
    return std::nullopt;
  for (++at; at < whole.size() && whole[at] != '"'; ++at) {
    if (whole[at] == '\\' && at + 1 < whole.size() && whole[at + 1] == '"') ++at;
    token.value.push_back(whole[at]);
  }
  if (at == whole.size()) return std::nullopt;
  token.whole = whole.substr(0, at + 1);
  text->remove_prefix(at + 1);
  return token;
}

bool Runs(std::string_view key) {
  return key == "RUN" || key == "RUN{program}" || key == "PROGRAM" || key == "IMPORT{program}";
}

// False: no more.
bool ParseRule(std::string_view rule, uint32_t line,
               const std::function<bool(const UdevProgram&)>& take, bool* is_rule) {
  std::vector<UdevProgram> programs;
  std::string conditions;
  *is_rule = true;
  while (true) {
    while (!rule.empty() && IsSeparator(rule.front())) rule.remove_prefix(1);
    if (rule.empty()) break;
    std::optional<Token> token = TakeToken(&rule);
    if (!token) {
      *is_rule = false;
      break;
    }
    if (Runs(token->key) && !token->value.empty()) {
      programs.push_back({StrCat(token->key, token->op), std::move(token->value), "", line});
    } else if ((token->op == "==" || token->op == "!=") && conditions.size() < kMaxConditions) {
      StrAppend(&conditions, conditions.empty() ? "" : ", ",
                token->whole.substr(0, kMaxConditions));
    }
  }
  for (UdevProgram& program : programs) {
    program.conditions = conditions;
    if (!take(program)) return false;
  }
  return true;
}

}  // namespace

void ParseUdevRules(std::string_view text, const std::function<bool(const UdevProgram&)>& take,
                    const std::function<void(uint32_t line)>& malformed) {
  std::string rule;
  uint32_t begins = 0;
  bool more = true;
  const auto finish = [&] {
    bool is_rule = true;
    more = ParseRule(rule, begins, take, &is_rule);
    if (!is_rule) malformed(begins);
    rule.clear();
    begins = 0;
  };
  ForEachLine(text, [&](std::string_view line, uint32_t number) {
    const std::string_view trimmed = Trim(line);
    if (trimmed.starts_with('#') || (trimmed.empty() && rule.empty())) return true;
    if (begins == 0) begins = number;
    if (trimmed.ends_with('\\')) {
      rule.append(trimmed.substr(0, trimmed.size() - 1));
      rule.push_back(' ');
      return true;
    }
    rule.append(trimmed);
    finish();
    return more;
  });
  if (more && !rule.empty()) finish();
}

}  // namespace dragnet::persistence
