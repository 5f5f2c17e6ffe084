#include "modules/secrets/tokens.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/strings.h"
#include "modules/secrets/randomness.h"

namespace dragnet::secrets {
namespace {

using enum TokenCharacters;

// Each as its service documents it, or issues it.
constexpr TokenFormat kFormats[] = {
    {"github-token", "ghp_", kAlphanumeric, 36, 255},
    {"github-token", "gho_", kAlphanumeric, 36, 255},
    {"github-token", "ghu_", kAlphanumeric, 36, 255},
    {"github-token", "ghs_", kAlphanumeric, 36, 255},
    {"github-token", "ghr_", kAlphanumeric, 36, 255},
    {"github-token", "github_pat_", kUrlSafe, 40, 255},
    {"gitlab-token", "glpat-", kUrlSafeAndDot, 20, 300},
    {"gitlab-token", "gldt-", kUrlSafe, 20, 300},
    {"gitlab-token", "glrt-", kUrlSafeAndDot, 20, 300},
    {"gitlab-token", "glptt-", kUrlSafe, 20, 300},
    {"gitlab-token", "glcbt-", kUrlSafe, 20, 300},
    {"gitlab-token", "glsoat-", kUrlSafe, 20, 300},
    {"slack-token", "xoxb-", kUrlSafe, 20, 300},
    {"slack-token", "xoxp-", kUrlSafe, 20, 300},
    {"slack-token", "xoxa-", kUrlSafe, 20, 300},
    {"slack-token", "xoxr-", kUrlSafe, 20, 300},
    {"slack-token", "xoxs-", kUrlSafe, 20, 300},
    {"slack-token", "xapp-", kUrlSafe, 20, 300},
    {"slack-token", "hooks.slack.com/services/", kPath, 40, 100},
    {"stripe-key", "sk_live_", kAlphanumeric, 16, 255},
    {"stripe-key", "rk_live_", kAlphanumeric, 16, 255},
    {"npm-token", "npm_", kAlphanumeric, 36, 36},
    {"pypi-token", "pypi-AgEIcHlwaS5vcmc", kUrlSafe, 50, 1000},
    {"google-key", "AIza", kUrlSafe, 35, 35},
    {"google-key", "GOCSPX-", kUrlSafe, 28, 28},
    {"sendgrid-key", "SG.", kUrlSafeAndDot, 60, 72},
    {"digitalocean-token", "dop_v1_", kHex, 64, 64},
    {"digitalocean-token", "doo_v1_", kHex, 64, 64},
    {"digitalocean-token", "dor_v1_", kHex, 64, 64},
    {"vault-token", "hvs.", kUrlSafe, 24, 300},
    {"vault-token", "hvb.", kUrlSafe, 100, 400},
    {"huggingface-token", "hf_", kAlphanumeric, 34, 34},
    {"openai-key", "sk-proj-", kUrlSafe, 40, 300},
    {"openai-key", "sk-svcacct-", kUrlSafe, 40, 300},
    {"anthropic-key", "sk-ant-", kUrlSafe, 60, 300},
    {"azure-key", "AccountKey=", kBase64, 88, 88},
    {"azure-key", "SharedAccessKey=", kBase64, 44, 44},
    {"age-key", "AGE-SECRET-KEY-1", kUpper, 58, 58},
};

bool IsOf(TokenCharacters characters, char c) {
  const auto byte = static_cast<unsigned char>(c);
  switch (characters) {
    case kAlphanumeric:
      return absl::ascii_isalnum(byte);
    case kBase64:
      return absl::ascii_isalnum(byte) || c == '+' || c == '/' || c == '=';
    case kUrlSafe:
      return absl::ascii_isalnum(byte) || c == '-' || c == '_';
    case kUrlSafeAndDot:
      return absl::ascii_isalnum(byte) || c == '-' || c == '_' || c == '.';
    case kHex:
      return absl::ascii_isxdigit(byte);
    case kPath:
      return absl::ascii_isalnum(byte) || c == '/';
    case kUpper:
      return absl::ascii_isupper(byte) || absl::ascii_isdigit(byte);
  }
  return false;
}

// So many characters of a sort from `at` on, at most `max`.
size_t Span(TokenCharacters characters, std::string_view text, size_t at, size_t max) {
  size_t length = 0;
  while (length < max && at + length < text.size() && IsOf(characters, text[at + length])) ++length;
  return length;
}

// AWS's secret keys: 40 characters of base64, of all sorts.
bool IsAwsSecret(std::string_view token) {
  const bool lower = std::any_of(token.begin(), token.end(), absl::ascii_islower);
  const bool upper = std::any_of(token.begin(), token.end(), absl::ascii_isupper);
  const bool digit = std::any_of(token.begin(), token.end(), absl::ascii_isdigit);
  return token.size() == 40 && lower && upper && digit && EntropyPerByte(token) >= 4.0 &&
         token.find('=') == std::string_view::npos && !IsPlaceholder(token);
}

// `padding` may be left out, as JSON Web Tokens do.
bool DecodeUrlSafe(std::string_view part, std::string* bytes) {
  return absl::WebSafeBase64Unescape(ToAbsl(part), bytes);
}

// Kept for examples (RFC 2606).
bool IsDocumentationHost(std::string_view host) {
  host = host.substr(0, host.find(':'));
  for (const std::string_view domain : {"example.com", "example.org", "example.net"})
    if (host == domain || (host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.'))
      return true;
  return host.ends_with(".example") || host.ends_with(".invalid");
}

}  // namespace

std::span<const TokenFormat> TokenFormats() { return kFormats; }

void FindToken(const TokenFormat& format, std::string_view text, size_t at,
               const OnFinding& on_finding) {
  if (text.substr(at, format.prefix.size()) != format.prefix) return;
  if (at > 0 && (IsWordCharacter(text[at - 1]) || (text[at - 1] == '-' && format.prefix != "AIza")))
    return;
  const size_t begin = at + format.prefix.size();
  // One more than there may be tells that it is something else.
  const size_t length = Span(format.characters, text, begin, format.max_length + 1);
  if (length < format.min_length || length > format.max_length) return;
  const std::string_view tail = text.substr(begin, length);
  if (EntropyPerByte(tail) < 2.8 || IsPlaceholder(tail)) return;
  Finding finding;
  finding.kind = format.kind;
  finding.begin = at;
  finding.end = begin + length;
  finding.secret = text.substr(at, format.prefix.size() + length);
  finding.unguessable = true;
  on_finding(std::move(finding));
}

void FindJwt(std::string_view text, size_t at, const OnFinding& on_finding) {
  constexpr size_t kMaxPart = 8192;
  if (text.substr(at, 3) != "eyJ") return;
  if (at > 0 && (IsWordCharacter(text[at - 1]) || text[at - 1] == '.' || text[at - 1] == '-'))
    return;
  size_t position = at;
  std::string_view parts[3];
  for (int i = 0; i < 3; ++i) {
    if (i > 0) {
      if (position >= text.size() || text[position] != '.') return;
      ++position;
    }
    const size_t length = Span(kUrlSafe, text, position, kMaxPart);
    parts[i] = text.substr(position, length);
    position += length;
  }
  // The header is small; the signature is of 32 bytes or more.
  std::string header;
  if (parts[0].size() > 1024 || parts[1].size() < 8 || parts[2].size() < 40) return;
  if (!DecodeUrlSafe(parts[0], &header) || header.find("\"alg\"") == std::string::npos) return;
  Finding finding;
  finding.kind = "jwt";
  finding.begin = at;
  finding.end = position;
  finding.secret = text.substr(at, position - at);
  finding.unguessable = true;
  on_finding(std::move(finding));
}

void FindAwsSecret(std::string_view text, size_t at, const OnFinding& on_finding) {
  constexpr size_t kIdLength = 20;
  constexpr size_t kNear = 400;
  constexpr size_t kSecretLength = 40;
  const std::string_view id = text.substr(at, kIdLength);
  if (id.size() < kIdLength || (!id.starts_with("AKIA") && !id.starts_with("ASIA"))) return;
  if (Span(kUpper, text, at, kIdLength + 1) != kIdLength) return;
  if (at > 0 && IsWordCharacter(text[at - 1])) return;
  const size_t end = std::min(text.size(), at + kIdLength + kNear);
  for (size_t position = at > kNear ? at - kNear : 0; position < end;) {
    const size_t length = Span(kBase64, text, position, kNear);
    if (length == 0) {
      ++position;
      continue;
    }
    // NAME=SECRET without quotes.
    const size_t equals = text.substr(position, length).find('=');
    size_t begin = position;
    size_t size = length;
    if (equals != std::string_view::npos && equals < length - 1) {
      begin += equals + 1;
      size -= equals + 1;
    }
    position += length;
    if (size != kSecretLength || !IsAwsSecret(text.substr(begin, size))) continue;
    Finding finding;
    finding.kind = "aws-secret-key";
    finding.begin = begin;
    finding.end = begin + size;
    finding.secret = text.substr(begin, size);
    finding.unguessable = true;
    on_finding(std::move(finding));
  }
}

void FindEntraSecret(std::string_view text, size_t at, const OnFinding& on_finding) {
  constexpr size_t kFront = 4;
  if (at < kFront || text.substr(at, 2) != "Q~") return;
  const size_t begin = at - kFront;
  if (Span(kAlphanumeric, text, begin, kFront) != kFront ||
      !absl::ascii_isdigit(static_cast<unsigned char>(text[at - 1])) ||
      (begin > 0 && IsWordCharacter(text[begin - 1]))) {
    return;
  }
  size_t length = 0;
  while (at + 2 + length < text.size() &&
         (IsOf(kUrlSafeAndDot, text[at + 2 + length]) || text[at + 2 + length] == '~')) {
    if (++length > 34) return;
  }
  if (length < 31) return;
  Finding finding;
  finding.kind = "azure-key";
  finding.begin = begin;
  finding.end = at + 2 + length;
  finding.secret = text.substr(begin, finding.end - begin);
  finding.unguessable = true;
  on_finding(std::move(finding));
}

void FindUrlPassword(std::string_view text, size_t at, const OnFinding& on_finding) {
  constexpr size_t kMaxAuthority = 512;
  // A scheme in front.
  if (at == 0 || !absl::ascii_isalnum(static_cast<unsigned char>(text[at - 1]))) return;
  const size_t begin = at + 3;
  const std::string_view rest = text.substr(begin, kMaxAuthority);
  const size_t end = std::min(rest.find_first_of("/ \t\r\n\"'`<>?#,;\\|)]}"), rest.size());
  // A password may have @ in it, though it should be written %40.
  const size_t host = rest.substr(0, end).rfind('@');
  if (host == std::string_view::npos || host + 1 >= end) return;
  const std::string_view user = rest.substr(0, host);
  const size_t colon = user.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view password = user.substr(colon + 1);
  if (password.size() < 3 || IsPlaceholder(password) || user.find("://") != std::string_view::npos)
    return;
  // user:user@host is no secret that was kept.
  if (password == user.substr(0, colon) && password.size() < 8) return;
  const std::string lower = absl::AsciiStrToLower(ToAbsl(password));
  for (const std::string_view known :
       {"x-oauth-basic", "passphrase", "p4ssw0rd", "anonymous", "anoncvs", "guest", "xyzzy"}) {
    if (lower == known) return;
  }
  if (IsDocumentationHost(rest.substr(host + 1, end - host - 1))) return;
  Finding finding;
  finding.kind = "url-password";
  finding.begin = begin + colon + 1;
  finding.end = begin + host;
  finding.secret = password;
  finding.unguessable = IsUnguessable(password);
  finding.name = rest.substr(host + 1, end - host - 1);
  on_finding(std::move(finding));
}

}  // namespace dragnet::secrets
