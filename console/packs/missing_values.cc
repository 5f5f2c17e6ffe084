#include "console/packs/missing_values.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "core/sql_expression.h"
#include "core/strings.h"
#include "modules/rows/row_values.h"

namespace dragnet::console {
namespace {

bool MayBeMissing(const Column& column) {
  // Lists are never NULL, but the message around one may be missing.
  return column.path.size() > 1 || column.path.back()->has_presence();
}

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(ToAbsl(text)); }

// A word (which may be dotted), something in quotes, or a single other character.
struct Token {
  std::string text;
  bool is_literal = false;
};

std::vector<Token> TokensOf(std::string_view expression) {
  std::vector<Token> tokens;
  for (size_t i = 0; i < expression.size();) {
    const char c = expression[i];
    size_t end = i + 1;
    if (c == '\'' || c == '"' || c == '`' || c == '[') {
      const size_t close = EndOfSqlQuoted(expression, i);
      end = close == std::string_view::npos ? expression.size() : close + 1;
      if (end >= i + 2) tokens.push_back({Lower(expression.substr(i + 1, end - i - 2)), c == '\''});
    } else if (IsSqlWordCharacter(c)) {
      while (end < expression.size() && (IsSqlWordCharacter(expression[end]) ||
                                         (expression[end] == '.' && end + 1 < expression.size() &&
                                          IsSqlWordCharacter(expression[end + 1]))))
        ++end;
      tokens.push_back({Lower(expression.substr(i, end - i))});
    } else if (!absl::ascii_isspace(static_cast<unsigned char>(c))) {
      tokens.push_back({std::string(1, c)});
    }
    i = end;
  }
  return tokens;
}

// Whether the column at `at` is asked in a way that is never NULL.
bool HasNullCase(const std::vector<Token>& tokens, size_t at) {
  const auto word = [&](size_t i) {
    return i < tokens.size() && !tokens[i].is_literal ? std::string_view(tokens[i].text) : "";
  };
  const std::string_view next = word(at + 1);
  if (next == "is" || next == "isnull" || next == "notnull") return true;
  if (next == "not" && word(at + 2) == "null") return true;
  return at >= 2 && word(at - 1) == "(" && (word(at - 2) == "coalesce" || word(at - 2) == "ifnull");
}

}  // namespace

std::vector<std::string> ColumnsWithoutNullCase(const google::protobuf::Descriptor* row_type,
                                                std::string_view expression) {
  // What may be written for it, and its header.
  std::map<std::string, std::string, std::less<>> headers;
  for (const SqlColumn& column : SqlColumnsOf(row_type)) {
    if (!MayBeMissing(column.column)) continue;
    headers.emplace(Lower(column.name), column.column.header);
    headers.emplace(Lower(column.column.header), column.column.header);
  }
  const std::vector<Token> tokens = TokensOf(expression);
  std::vector<std::string> read;
  std::set<std::string> careful;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto header = headers.find(tokens[i].text);
    const bool is_call = i + 1 < tokens.size() && tokens[i + 1].text == "(";
    if (tokens[i].is_literal || header == headers.end() || is_call) continue;
    if (HasNullCase(tokens, i)) careful.insert(header->second);
    if (std::find(read.begin(), read.end(), header->second) == read.end())
      read.push_back(header->second);
  }
  std::erase_if(read, [&](const std::string& header) { return careful.contains(header); });
  return read;
}

}  // namespace dragnet::console
