#include "modules/scan/compile.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/scan/rule_text.h"

namespace dragnet::scan {
namespace {

struct CompileError {
  int line = 0;
  std::string message;
};

// The first error is what is wrong; later ones can be its consequences.
void OnMessage(int level, const char*, int line, const YR_RULE*, const char* message,
               void* user_data) {
  auto& error = *static_cast<std::optional<CompileError>*>(user_data);
  if (level == YARA_ERROR_LEVEL_ERROR && !error) error = CompileError{line, message};
}

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > 128 || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 || c == '_');
  });
}

bool IsFloat(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == text.size()) return false;
  return text.find_first_not_of("0123456789", dot + 1) == std::string_view::npos &&
         text.substr(0, dot).find_first_not_of("0123456789") == std::string_view::npos;
}

absl::Status DefineExternal(YR_COMPILER* compiler, const std::string& external) {
  const size_t equals = external.find('=');
  const std::string name = external.substr(0, equals);
  if (equals == std::string::npos || !IsName(name)) {
    return absl::InvalidArgumentError(
        StrCat("external variable '", ToValidUtf8(external), "' is not NAME=VALUE"));
  }
  const std::string value = external.substr(equals + 1);
  if (value.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        StrCat("external variable '", name, "' has a NUL byte in its value"));
  }
  int error;
  int64_t integer;
  double number;
  if (value == "true" || value == "false") {
    error = yr_compiler_define_boolean_variable(compiler, name.c_str(), value == "true");
  } else if (absl::SimpleAtoi(value, &integer) && value[0] != '+') {
    error = yr_compiler_define_integer_variable(compiler, name.c_str(), integer);
  } else if (IsFloat(value) && absl::SimpleAtod(value, &number)) {
    error = yr_compiler_define_float_variable(compiler, name.c_str(), number);
  } else {
    error = yr_compiler_define_string_variable(compiler, name.c_str(), value.c_str());
  }
  if (error == ERROR_SUCCESS) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("external variable '", name, "': ", LibyaraError(error)));
}

// The most characters that `node` can match.
uint64_t MaxLength(const RE_NODE* node) {
  uint64_t length = 0;
  switch (node->type) {
    case RE_NODE_EMPTY:
    case RE_NODE_ANCHOR_START:
    case RE_NODE_ANCHOR_END:
    case RE_NODE_WORD_BOUNDARY:
    case RE_NODE_NON_WORD_BOUNDARY:
      return 0;
    case RE_NODE_LITERAL:
    case RE_NODE_MASKED_LITERAL:
    case RE_NODE_ANY:
    case RE_NODE_CLASS:
    case RE_NODE_WORD_CHAR:
    case RE_NODE_NON_WORD_CHAR:
    case RE_NODE_SPACE:
    case RE_NODE_NON_SPACE:
    case RE_NODE_DIGIT:
    case RE_NODE_NON_DIGIT:
      return 1;
    case RE_NODE_CONCAT:
      for (const RE_NODE* child = node->children_head; child != nullptr;
           child = child->next_sibling)
        length += MaxLength(child);
      break;
    case RE_NODE_ALT:
      for (const RE_NODE* child = node->children_head; child != nullptr;
           child = child->next_sibling)
        length = std::max(length, MaxLength(child));
      break;
    case RE_NODE_RANGE:
      if (node->end < 0 || node->children_head == nullptr) return kUnboundedLength;
      length = MaxLength(node->children_head) * static_cast<uint64_t>(node->end);
      break;
    case RE_NODE_RANGE_ANY:
      if (node->end < 0) return kUnboundedLength;
      length = static_cast<uint64_t>(node->end);
      break;
    default:
      return kUnboundedLength;
  }
  return std::min(length, kUnboundedLength);
}

void OnRegex(const YR_RULE* rule, const char* identifier, const RE_AST* ast, void* user_data) {
  auto& lengths = *static_cast<StringLengths*>(user_data);
  // Anonymous strings share a name: the longest counts.
  uint64_t& length = lengths[{rule->identifier, identifier}];
  length = std::max(length, MaxLength(ast->root_node));
}

// Rules, or the first error in the source, or what else went wrong.
absl::StatusOr<RuleSet> CompileOnce(const std::string& source,
                                    std::span<const std::string> externals,
                                    std::optional<CompileError>& error) {
  YR_COMPILER* raw = nullptr;
  if (const int code = yr_compiler_create(&raw); code != ERROR_SUCCESS)
    return absl::ResourceExhaustedError(StrCat("compile rules: ", LibyaraError(code)));
  const CompilerPtr compiler(raw);
  RuleSet set;
  yr_compiler_set_callback(raw, &OnMessage, &error);
  yr_compiler_set_re_ast_callback(raw, &OnRegex, &set.lengths);
  // Without a callback `include` is an error, as it must be: it would read files
  // where rules are compiled.
  yr_compiler_set_include_callback(raw, nullptr, nullptr, nullptr);
  for (const std::string& external : externals)
    DRAGNET_RETURN_IF_ERROR(DefineExternal(raw, external));
  if (yr_compiler_add_string(raw, source.c_str(), nullptr) > 0) {
    if (!error) error = CompileError{1, "the rules don't compile"};
    return absl::InvalidArgumentError(error->message);
  }
  YR_RULES* rules = nullptr;
  if (const int code = yr_compiler_get_rules(raw, &rules); code != ERROR_SUCCESS)
    return absl::ResourceExhaustedError(StrCat("compile rules: ", LibyaraError(code)));
  set.rules.reset(rules);
  return set;
}

struct Position {
  size_t line;
  size_t column;
};

Position PositionOf(std::string_view source, size_t offset) {
  const std::string_view before = source.substr(0, offset);
  const size_t newline = before.rfind('\n');
  return {1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n')),
          offset - (newline == std::string_view::npos ? 0 : newline + 1) + 1};
}

// The name that the message is about: what it has in quotes.
std::string_view Quoted(std::string_view message) {
  const size_t begin = message.find('"');
  if (begin == std::string_view::npos) return {};
  const size_t end = message.find('"', begin + 1);
  if (end == std::string_view::npos) return {};
  return message.substr(begin + 1, end - begin - 1);
}

// libyara knows the line of an error only. But it knows it truly: a newline put
// in front of a token moves the line that it reports if, and only if, it had to
// read that token to see the error. So the last token whose newline moves the
// line is where the error was seen, and as this is monotonous, it is found by
// halving: a dozen compilations of a source that is refused anyway.
Position Locate(const std::string& source, std::span<const std::string> externals,
                const CompileError& error) {
  std::vector<RuleToken> tokens;
  TokenizeRules(source, tokens);
  // The tokens of the line.
  size_t begin = 0;
  for (int line = 1; line < error.line; ++line) {
    const size_t newline = source.find('\n', begin);
    if (newline == std::string::npos) break;
    begin = newline + 1;
  }
  const size_t end = std::min(source.find('\n', begin), source.size());
  const auto by_offset = [](const RuleToken& token, size_t offset) {
    return token.offset < offset;
  };
  const auto first = std::lower_bound(tokens.begin(), tokens.end(), begin, by_offset);
  const auto last = std::lower_bound(first, tokens.end(), end, by_offset);
  if (first == last) return PositionOf(source, begin);

  const auto moves = [&](const RuleToken& token) {
    std::string altered = source;
    altered.insert(token.offset, 1, '\n');
    std::optional<CompileError> moved;
    (void)CompileOnce(altered, externals, moved);
    return moved && moved->line == error.line + 1 && moved->message == error.message;
  };
  auto seen = first;
  for (auto low = first + 1, high = last; low < high;) {
    const auto middle = low + (high - low) / 2;
    if (moves(*middle)) {
      seen = middle;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  // The parser looks a token or two ahead: go back to the name that it means.
  if (const std::string_view name = Quoted(error.message); !name.empty()) {
    auto it = seen;
    for (int back = 0; back < 4; ++back) {
      if (it->text == name) return PositionOf(source, it->offset);
      if (it == tokens.begin()) break;
      --it;
    }
  }
  return PositionOf(source, seen->offset);
}

}  // namespace

absl::StatusOr<RuleSet> CompileRules(const std::string& source,
                                     std::span<const std::string> externals) {
  DRAGNET_RETURN_IF_ERROR(InitializeLibyara());
  if (const size_t nul = source.find('\0'); nul != std::string::npos) {
    const Position at = PositionOf(source, nul);
    return absl::InvalidArgumentError(
        StrCat("line ", at.line, ", column ", at.column, ": a NUL byte"));
  }
  std::optional<CompileError> error;
  absl::StatusOr<RuleSet> rules = CompileOnce(source, externals, error);
  if (rules.ok() || !error) return rules;
  const Position at = Locate(source, externals, *error);
  return absl::InvalidArgumentError(
      StrCat("line ", at.line, ", column ", at.column, ": ", ToValidUtf8(error->message)));
}

}  // namespace dragnet::scan
