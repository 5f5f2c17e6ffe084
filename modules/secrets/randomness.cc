#include "modules/secrets/randomness.h"

#include <array>
#include <cmath>
#include <string>

#include "absl/strings/ascii.h"
#include "core/strings.h"

namespace dragnet::secrets {
namespace {

enum class Sort { kLower, kUpper, kDigit, kOther };

Sort SortOf(char c) {
  if (absl::ascii_islower(static_cast<unsigned char>(c))) return Sort::kLower;
  if (absl::ascii_isupper(static_cast<unsigned char>(c))) return Sort::kUpper;
  if (absl::ascii_isdigit(static_cast<unsigned char>(c))) return Sort::kDigit;
  return Sort::kOther;
}

struct Counts {
  size_t of[4] = {0, 0, 0, 0};
  // Where one sort of characters follows another.
  size_t changes = 0;

  explicit Counts(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      const Sort sort = SortOf(text[i]);
      ++of[static_cast<int>(sort)];
      // Capitalised words change their sort, too.
      if (i > 0 && sort != SortOf(text[i - 1]) &&
          !(sort == Sort::kLower && SortOf(text[i - 1]) == Sort::kUpper)) {
        ++changes;
      }
    }
  }
  size_t lower() const { return of[0]; }
  size_t upper() const { return of[1]; }
  size_t digits() const { return of[2]; }
  size_t others() const { return of[3]; }
  size_t letters() const { return lower() + upper(); }
  int sorts() const {
    int count = 0;
    for (const size_t n : of) count += n > 0;
    return count;
  }
};

// To a variable, in markup, or a hash: $TOKEN, $6$…, {SSHA}…, %(x)s, <token>,
// !vault, @TOKEN@. A password may begin with some of these characters, too.
bool IsReference(std::string_view value) {
  if (std::string_view("<{[(&").find(value.front()) != std::string_view::npos) return true;
  const char next = value.size() > 1 ? value[1] : '\0';
  const bool letter_follows = absl::ascii_isalpha(static_cast<unsigned char>(next)) || next == '_';
  switch (value.front()) {
    case '$':
      if (letter_follows || next == '{' || next == '(' || next == '$') return true;
      // $6$SALT$HASH.
      return value.substr(0, 6).find('$', 1) != std::string_view::npos;
    case '%':
      return next == '(' || next == '{' || next == 's' || value.back() == '%';
    case '@':
      return value.back() == '@';
    case '!':
      for (const std::string_view tag : {"!vault", "!secret", "!ref", "!env", "!sub", "!getatt"})
        if (absl::AsciiStrToLower(ToAbsl(value)).starts_with(tag)) return true;
      return false;
    case '*':
      return value.find_first_not_of('*') == std::string_view::npos;
    default:
      return false;
  }
}

}  // namespace

double EntropyPerByte(std::string_view text) {
  if (text.empty()) return 0;
  std::array<uint32_t, 256> counts{};
  for (const char c : text) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  const double size = static_cast<double>(text.size());
  for (const uint32_t count : counts) {
    if (count == 0) continue;
    const double share = count / size;
    bits -= share * std::log2(share);
  }
  return bits;
}

bool IsPlaceholder(std::string_view value) {
  if (value.empty()) return true;
  if (IsReference(value)) return true;
  const std::string lower = absl::AsciiStrToLower(ToAbsl(value));
  for (const std::string_view exact :
       {"password",  "passwd", "passw0rd", "pass",       "pwd",      "secret", "token",
        "none",      "null",   "nil",      "true",       "false",    "yes",    "no",
        "undefined", "string", "default",  "required",   "optional", "prompt", "ask",
        "empty",     "user",   "username", "mypassword", "mysecret", "apikey", "foo",
        "bar",       "foobar", "test",     "invalid",    "unknown",  "hidden", "private",
        "public",    "masked", "disabled", "enabled",    "hunter2"}) {
    if (lower == exact) return true;
  }
  for (const std::string_view part :
       {"example",     "changeme",     "change-me",    "change_me",  "change-this", "placeholder",
        "xxxx",        "****",         "....",         "redacted",   "dummy",       "your-",
        "your_",       "yourpass",     "yoursecret",   "yourtoken",  "insert",      "sample",
        "replace",     "enc[",         "${",           "$(",         "{{",          "%s",
        "process.env", "getenv",       "environ",      "-----begin", "1234567890",  "abcdefgh",
        "fakekey",     "notasecret",   "not-a-secret", "<redacted>", "pbkdf2",      "scrypt",
        "argon2",      "ansible-vault"}) {
    if (lower.find(part) != std::string::npos) return true;
  }
  for (const std::string_view begin :
       {"env:", "env.", "file:", "vault:", "arn:", "ref:", "ssm:", "pkcs11:", "ssh-agent:", "op://",
        "http://", "https://", "/", "./", "../", "~/", "sha256:"}) {
    if (lower.starts_with(begin)) return true;
  }
  return false;
}

bool IsUnguessable(std::string_view value) {
  if (value.size() < 20) return false;
  const Counts counts(value);
  // Words have few changes for their length, whatever is between them.
  return counts.digits() >= 2 && counts.letters() >= 4 && counts.changes * 4 >= value.size() &&
         EntropyPerByte(value) * static_cast<double>(value.size()) >= 70;
}

bool LooksLikeToken(std::string_view value) {
  if (value.size() < 16 || value.size() > 1024) return false;
  const Counts counts(value);
  if (counts.digits() < 2 || counts.letters() < 2 || counts.others() * 4 > value.size())
    return false;
  // Identifiers and file names with a number in them have few changes.
  return counts.changes * 5 >= value.size() && EntropyPerByte(value) >= 3.0;
}

bool LooksLikePassword(std::string_view value) {
  if (value.size() < 6 || value.size() > 256) return false;
  const Counts counts(value);
  // One sort of letters only: a word, which a name, a path or a type could be.
  if (counts.sorts() < 2 || counts.letters() == 0) return false;
  if (counts.digits() == 0 && counts.others() == 0) return false;
  if (counts.others() == value.size()) return false;
  return EntropyPerByte(value) >= 2.0;
}

}  // namespace dragnet::secrets
