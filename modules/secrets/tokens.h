// Tokens with a format of their own: a prefix that services gave them, so that
// they can be found. Thread-safe: no state.
#pragma once

#include <span>
#include <string_view>

#include "modules/secrets/finding.h"

namespace dragnet::secrets {

enum class TokenCharacters {
  kAlphanumeric,
  kBase64,
  kUrlSafe,
  kUrlSafeAndDot,
  kHex,
  kPath,
  kUpper
};

struct TokenFormat {
  std::string_view kind;
  // As it is written.
  std::string_view prefix;
  TokenCharacters characters;
  // Characters after the prefix.
  size_t min_length;
  size_t max_length;
};

std::span<const TokenFormat> TokenFormats();

// A token of `format` whose prefix is at `at` in `text`.
void FindToken(const TokenFormat& format, std::string_view text, size_t at,
               const OnFinding& on_finding);

// Where eyJ is: a JSON Web Token (RFC 7519).
void FindJwt(std::string_view text, size_t at, const OnFinding& on_finding);
// Where AKIA or ASIA is: the secret key that belongs to this key id, near it.
void FindAwsSecret(std::string_view text, size_t at, const OnFinding& on_finding);
// Where Q~ is: a client secret of Entra ID, with four characters in front.
void FindEntraSecret(std::string_view text, size_t at, const OnFinding& on_finding);
// Where :// is: a password in a URL.
void FindUrlPassword(std::string_view text, size_t at, const OnFinding& on_finding);

}  // namespace dragnet::secrets
