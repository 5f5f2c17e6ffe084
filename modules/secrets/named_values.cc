#include "modules/secrets/named_values.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "modules/secrets/randomness.h"

namespace dragnet::secrets {
namespace {

constexpr std::string_view kNames[] = {
    "passw",      "passphrase",  "pwd",        "secret",      "token",      "api_key",
    "apikey",     "api-key",     "access_key", "accesskey",   "access-key", "auth_key",
    "authkey",    "private_key", "privatekey", "signing_key", "signingkey", "encryption_key",
    "credential", "psk",         "secret_key",
};

// Words after which a name is not the secret's own: password_file, tokenUrl.
constexpr std::string_view kOtherWords[] = {
    "name",     "type",      "field",    "label",   "path",       "file",      "dir",
    "url",      "uri",       "length",   "len",     "min",        "max",       "policy",
    "hint",     "id",        "ids",      "arn",     "ref",        "prompt",    "regex",
    "pattern",  "expires",   "expiry",   "expire",  "ttl",        "count",     "format",
    "hash",     "hashes",    "hashed",   "salt",    "algorithm",  "algo",      "header",
    "param",    "error",     "message",  "text",    "title",      "required",  "enabled",
    "valid",    "reset",     "change",   "changed", "callback",   "manager",   "provider",
    "service",  "class",     "store",    "storage", "size",       "kind",      "method",
    "input",    "validator", "checker",  "encoder", "timeout",    "age",       "days",
    "command",  "cmd",       "program",  "version", "endpoint",   "scope",     "audience",
    "issuer",   "index",     "location", "env",     "variable",   "var",       "digest",
    "checksum", "sha256",    "md5",      "cookie",  "session",    "encrypted", "backend",
    "selector", "group",     "lifetime", "mode",    "encryption", "scheme",    "strength",
    "quality",  "mechanism", "handler",  "rule",    "rules",
};

struct Name {
  size_t begin = 0;
  size_t end = 0;
};

bool IsNameCharacter(char c) { return IsWordCharacter(c) || c == '-' || c == '.'; }

// The whole name around [at, end), at most 64 characters to each side.
Name NameAround(std::string_view text, size_t at, size_t end) {
  constexpr size_t kMax = 64;
  Name name{at, end};
  while (name.begin > 0 && at - name.begin < kMax && IsNameCharacter(text[name.begin - 1]))
    --name.begin;
  while (name.end < text.size() && name.end - end < kMax && IsNameCharacter(text[name.end]))
    ++name.end;
  return name;
}

// camelCase, snake_case and kebab-case apart, in lower case.
std::vector<std::string> WordsOf(std::string_view name) {
  std::vector<std::string> words;
  bool in_word = false;
  char before = '\0';
  for (const char c : name) {
    const bool upper = absl::ascii_isupper(static_cast<unsigned char>(c));
    const bool letter = absl::ascii_isalnum(static_cast<unsigned char>(c));
    const bool begins = upper && !absl::ascii_isupper(static_cast<unsigned char>(before));
    if (letter && (!in_word || begins)) words.emplace_back();
    if (letter) words.back().push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    in_word = letter;
    before = c;
  }
  return words;
}

// `after` is what follows the secret's word within the name: the rest of that
// word, and other words.
bool IsNameOfSecret(std::string_view after) {
  for (const std::string& word : WordsOf(after))
    for (const std::string_view other : kOtherWords)
      if (word == other) return false;
  return true;
}

void SkipBlanks(std::string_view text, size_t* at, size_t max) {
  const size_t end = std::min(text.size(), *at + max);
  while (*at < end && (text[*at] == ' ' || text[*at] == '\t')) ++*at;
}

struct Value {
  size_t begin = 0;
  size_t end = 0;
  bool quoted = false;
};

// Whether `text` at `at` assigns: =, :, :=, =>, > of a tag, or a comma. Moves
// behind it.
bool TakeAssignment(std::string_view text, bool comma_assigns, size_t* at) {
  const std::string_view next = text.substr(*at, 2);
  if (next.empty()) return false;
  for (const std::string_view two : {":=", "=>", "?="}) {
    if (next != two) continue;
    *at += 2;
    return true;
  }
  if (next == "==" || next == "::" || next == "=~" || next == ":/") return false;
  const char c = next[0];
  if (c != '=' && c != ':' && c != '>' && !(c == ',' && comma_assigns)) return false;
  *at += 1;
  return true;
}

std::optional<Value> TakeValue(std::string_view text, size_t at, bool in_tag) {
  constexpr size_t kMax = 512;
  constexpr size_t kMaxUnquoted = 256;
  if (at >= text.size()) return std::nullopt;
  const char quote = text[at];
  Value value;
  if (quote == '"' || quote == '\'' || quote == '`') {
    value.quoted = true;
    value.begin = at + 1;
    for (value.end = value.begin; value.end < text.size(); ++value.end) {
      const char c = text[value.end];
      if (c == '\\') ++value.end;
      if (c == quote) return value;
      if (c == '\n' || value.end - value.begin > kMax) return std::nullopt;
    }
    return std::nullopt;
  }
  value.begin = at;
  const std::string_view ends = in_tag ? "<\n\r" : " \t\r\n\"'`,;<>";
  const std::string_view rest = text.substr(at, kMaxUnquoted + 1);
  value.end = at + std::min(rest.find_first_of(ends), rest.size());
  if (value.end == value.begin || value.end - value.begin > kMaxUnquoted) return std::nullopt;
  // A tag that isn't closed is no tag.
  if (in_tag && (value.end + 1 >= text.size() || text.substr(value.end, 2) != "</"))
    return std::nullopt;
  return value;
}

// Calls, members, parts of expressions.
bool LooksLikeCode(std::string_view value) {
  for (const std::string_view part : {"(", ")", "::", "->", "[", "]", "&&", "||", "=="})
    if (value.find(part) != std::string_view::npos) return true;
  return value.ends_with('{') || value.ends_with('\\');
}

// words.joined.by_dots-and-dashes with no more than a number in them: hosts, keys of
// translations, names of things.
bool LooksLikeName(std::string_view value) {
  if (value.find_first_of(".-_/:") == std::string_view::npos) return false;
  size_t digits = 0;
  for (const char c : value) {
    if (!IsNameCharacter(c) && c != '/' && c != ':') return false;
    digits += absl::ascii_isdigit(static_cast<unsigned char>(c));
  }
  return digits <= 2;
}

bool IsPasswordName(std::string_view name) {
  return name == "passw" || name == "passphrase" || name == "pwd" || name == "psk" ||
         name == "credential";
}

bool IsAwsSecretName(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(name));
  return lower.find("secret") != std::string::npos &&
         (lower.find("aws") != std::string::npos || lower.find("access") != std::string::npos);
}

// The cheap questions first: there may be a name in front of every few bytes.
bool LooksLikeSecret(std::string_view value, bool is_password, const Value& place, TextKind kind) {
  if (value.size() < 4 || value.find_first_of(" \t") != std::string_view::npos) return false;
  const bool is_token = LooksLikeToken(value);
  if (kind == TextKind::kCredentials) {
    if (!is_password && !is_token && value.size() < 8) return false;
  } else if (!is_token) {
    const size_t least = kind == TextKind::kSettings ? 0 : 8;
    if (!is_password || value.size() < least || !LooksLikePassword(value)) return false;
    if (LooksLikeName(value)) return false;
  }
  if (!place.quoted && kind == TextKind::kCode) return false;
  if (!place.quoted && LooksLikeCode(value)) return false;
  // Base64 may end so; NAME= is another name.
  if (value.ends_with('=') && !is_token) return false;
  for (const char c : value)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  return !IsPlaceholder(value);
}

}  // namespace

std::span<const std::string_view> SecretNames() { return kNames; }

void FindNamedValue(std::string_view text, size_t at, size_t end, TextKind kind,
                    const OnFinding& on_finding) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(text.substr(at, end - at)));
  const Name name = NameAround(text, at, end);
  size_t after = end;
  // The rest of the word itself: passw-ord, token-s.
  while (after < name.end && absl::ascii_islower(static_cast<unsigned char>(text[after]))) ++after;
  const bool is_password = IsPasswordName(lower);
  // Short words stand within others.
  if ((lower == "psk" || lower == "pwd") && after != end) return;
  if (lower == "psk" && at > name.begin && text[at - 1] != '_') return;
  // A later word of the same name has its own turn.
  if (!IsNameOfSecret(text.substr(after, name.end - after))) return;
  size_t position = name.end;
  bool name_was_quoted = false;
  if (position < text.size() && (text[position] == '"' || text[position] == '\'')) {
    name_was_quoted = true;
    ++position;
  }
  if (position < text.size() && text[position] == ']') ++position;
  SkipBlanks(text, &position, 32);
  const bool in_tag = position < text.size() && text[position] == '>' && name.begin > 0 &&
                      text[name.begin - 1] == '<';
  if (!in_tag && position < text.size() && text[position] == '>') return;
  // define('DB_PASSWORD', '…'); in settings it parts the elements of a list.
  const bool comma_assigns = name_was_quoted && kind == TextKind::kCode;
  if (!TakeAssignment(text, comma_assigns, &position)) return;
  SkipBlanks(text, &position, 32);
  const auto value = TakeValue(text, position, in_tag);
  if (!value) return;
  const std::string_view content = text.substr(value->begin, value->end - value->begin);
  if (!LooksLikeSecret(content, is_password, *value, kind)) return;
  Finding finding;
  const std::string_view whole_name = text.substr(name.begin, name.end - name.begin);
  finding.kind = is_password ? "password" : "token";
  finding.is_guess = true;
  if (content.size() == 40 && IsAwsSecretName(whole_name)) {
    finding.kind = "aws-secret-key";
    finding.is_guess = false;
  }
  finding.begin = value->begin;
  finding.end = value->end;
  finding.secret = content;
  finding.unguessable = IsUnguessable(content);
  finding.name = whole_name;
  on_finding(std::move(finding));
}

}  // namespace dragnet::secrets
