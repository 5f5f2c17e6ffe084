#include "modules/secrets/scanner.h"

#include <algorithm>
#include <utility>

#include "modules/secrets/private_keys.h"
#include "modules/secrets/tokens.h"

namespace dragnet::secrets {
namespace {

// More in one file are as many as none: it is not a file that people wrote.
constexpr size_t kMaxFindings = 10'000;

}  // namespace

bool IsBinary(std::string_view beginning) {
  return beginning.substr(0, kBeginning).find('\0') != std::string_view::npos;
}

bool IsEncrypted(std::string_view beginning) {
  beginning.remove_prefix(std::min(beginning.find_first_not_of(" \t\r\n"), beginning.size()));
  for (const std::string_view header :
       {"$ANSIBLE_VAULT;", "age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE-----",
        "-----BEGIN PGP MESSAGE-----"}) {
    if (beginning.starts_with(header)) return true;
  }
  return false;
}

void Scanner::Add(std::string_view literal, Rule rule, uint32_t format) {
  texts_.emplace_back(literal);
  rules_.push_back({rule, format, literal.size()});
}

Scanner::Scanner() {
  const auto formats = TokenFormats();
  for (uint32_t i = 0; i < formats.size(); ++i) Add(formats[i].prefix, Rule::kToken, i);
  Add("-----BEGIN ", Rule::kPem);
  Add("PuTTY-User-Key-File-", Rule::kPutty);
  Add("client-key-data", Rule::kKubeconfig);
  Add("eyJ", Rule::kJwt);
  Add("AKIA", Rule::kAws);
  Add("ASIA", Rule::kAws);
  Add("8Q~", Rule::kEntra);
  Add("7Q~", Rule::kEntra);
  Add("://", Rule::kUrl);
  for (const std::string_view name : SecretNames()) Add(name, Rule::kName);
  literals_ = std::make_unique<const file::Literals>(texts_);
}

void Scanner::Apply(const Literal& literal, std::string_view text, size_t end, TextKind text_kind,
                    const OnFinding& on_finding) const {
  const size_t at = end - literal.size;
  switch (literal.rule) {
    case Rule::kToken:
      return FindToken(TokenFormats()[literal.format], text, at, on_finding);
    case Rule::kPem:
      return FindPemKey(text, at, on_finding);
    case Rule::kPutty:
      return FindPuttyKey(text, at, on_finding);
    case Rule::kKubeconfig:
      return FindKubeconfigKey(text, at, on_finding);
    case Rule::kJwt:
      return FindJwt(text, at, on_finding);
    case Rule::kAws:
      return FindAwsSecret(text, at, on_finding);
    case Rule::kEntra:
      return FindEntraSecret(text, at + 1, on_finding);
    case Rule::kUrl:
      return FindUrlPassword(text, at, on_finding);
    case Rule::kName:
      return FindNamedValue(text, at, end, text_kind, on_finding);
  }
}

std::vector<Finding> Scanner::Find(std::string_view text, FileKind kind, TextKind text_kind) const {
  std::vector<Finding> found;
  const OnFinding collect = [&](Finding finding) {
    if (found.size() < kMaxFindings) found.push_back(std::move(finding));
  };
  if (kind == FileKind::kNetrc) FindNetrcPasswords(text, collect);
  if (kind == FileKind::kPgpass) FindPgpassPasswords(text, collect);
  if (kind == FileKind::kDockerConfig) FindDockerAuths(text, collect);
  if (kind == FileKind::kHistory) command_lines_.Find(text, collect);
  literals_->Find(text, [&](uint32_t literal, size_t end) {
    Apply(rules_[literal], text, end, text_kind, collect);
    return found.size() < kMaxFindings;
  });
  // What is sure comes first where two begin alike.
  std::stable_sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
    return std::pair(a.is_guess, a.begin) < std::pair(b.is_guess, b.begin);
  });
  std::vector<Finding> kept;
  std::vector<std::pair<size_t, size_t>> sure;
  size_t last_end = 0;
  for (Finding& finding : found) {
    if (!finding.is_guess) {
      if (!sure.empty() && finding.begin < sure.back().second) continue;
      sure.emplace_back(finding.begin, finding.end);
    } else {
      // The first sure one that ends after this begins.
      const auto next = std::upper_bound(sure.begin(), sure.end(), finding.begin,
                                         [](size_t begin, const std::pair<size_t, size_t>& place) {
                                           return begin < place.second;
                                         });
      if (next != sure.end() && next->first < finding.end) continue;
      if (finding.begin < last_end) continue;
      last_end = finding.end;
    }
    kept.push_back(std::move(finding));
  }
  std::sort(kept.begin(), kept.end(),
            [](const Finding& a, const Finding& b) { return a.begin < b.begin; });
  return kept;
}

}  // namespace dragnet::secrets
