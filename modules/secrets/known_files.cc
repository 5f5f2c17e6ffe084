#include "modules/secrets/known_files.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "core/strings.h"
#include "modules/secrets/randomness.h"

namespace dragnet::secrets {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

Finding At(std::string_view kind, std::string_view text, std::string_view value,
           std::string_view name) {
  Finding finding;
  finding.kind = kind;
  finding.begin = static_cast<size_t>(value.data() - text.data());
  finding.end = finding.begin + value.size();
  finding.secret = value;
  finding.unguessable = IsUnguessable(value);
  finding.name = name;
  return finding;
}

}  // namespace

void FindNetrcPasswords(std::string_view text, const OnFinding& on_finding) {
  std::string_view rest = text;
  std::string_view before;
  std::string_view machine;
  while (true) {
    rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
    if (rest.empty()) return;
    if (rest.front() == '#') {
      rest.remove_prefix(std::min(rest.find('\n'), rest.size()));
      continue;
    }
    const std::string_view word = rest.substr(0, rest.find_first_of(kBlanks));
    rest.remove_prefix(word.size());
    if (before == "machine") machine = word;
    if (before == "password" && !IsPlaceholder(word)) on_finding(At("netrc", text, word, machine));
    // A value is no keyword, whatever it says.
    const bool is_value =
        before == "machine" || before == "password" || before == "login" || before == "account";
    before = is_value ? std::string_view() : word;
  }
}

void FindPgpassPasswords(std::string_view text, const OnFinding& on_finding) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with('#')) continue;
    size_t colons = 0;
    size_t at = 0;
    for (; at < line.size() && colons < 4; ++at) {
      if (line[at] == '\\') {
        ++at;
      } else if (line[at] == ':') {
        ++colons;
      }
    }
    if (colons < 4 || at >= line.size()) continue;
    std::string_view password = line.substr(at);
    if (password.ends_with('\r')) password.remove_suffix(1);
    if (!IsPlaceholder(password)) on_finding(At("pgpass", text, password, line.substr(0, at)));
  }
}

void FindDockerAuths(std::string_view text, const OnFinding& on_finding) {
  constexpr std::string_view kName = "\"auth\"";
  for (size_t at = text.find(kName); at != std::string_view::npos; at = text.find(kName, at + 1)) {
    const size_t begin = text.find_first_not_of(" \t\r\n:\"", at + kName.size());
    if (begin == std::string_view::npos) return;
    const size_t end = std::min(text.find('"', begin), text.size());
    const std::string_view value = text.substr(begin, end - begin);
    std::string decoded;
    if (value.empty() || value.size() > 8192 || !absl::Base64Unescape(ToAbsl(value), &decoded))
      continue;
    const size_t colon = decoded.find(':');
    if (colon == std::string::npos || colon + 1 == decoded.size()) continue;
    Finding finding = At("docker-auth", text, value, {});
    finding.secret = decoded.substr(colon + 1);
    finding.unguessable = IsUnguessable(finding.secret);
    on_finding(std::move(finding));
  }
}

CommandLines::CommandLines() {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_never_nl(true);
  options.set_log_errors(false);
  for (
      const char* pattern : {
          R"(\bsshpass\s+(?:-[vh]\s+)*-p\s*['"]?([^\s'"]+))",
          R"(\b(?:mysql|mariadb|mysqldump|mysqladmin|mariadb-dump)\b[^|;&]*\s-p['"]?([^\s'"]+))",
          R"(\bcurl\b[^|;&]*\s(?:-u|--user)[\s=]*['"]?[^\s'":]+:([^\s'"]+))",
          R"(\s--?(?:password|passwd|pass|token|secret|api-key|auth-token)[= ]['"]?([^\s'"-][^\s'"]*))",
          R"((?i)\bidentified\s+by\s+(?:password\s+)?'([^']+)')",
          R"((?i)\bpassword\s+'([^']+)')",
          R"(\becho\s+(?:-[ne]+\s+)?['"]?([^\s'"|]+)['"]?\s*\|\s*(?:sudo\s+(?:-\w+\s+)*-S|passwd\b|chpasswd\b))",
          R"(\becho\s+(?:-[ne]+\s+)?['"]?[\w.-]+:([^\s'"|]+)['"]?\s*\|\s*(?:sudo\s+)?chpasswd\b)",
          R"(\b(?:docker|podman|helm|az|oc)\b[^|;&]*\blogin\b[^|;&]*\s-p[ =]*['"]?([^\s'"]+))",
      }) {
    patterns_.push_back(std::make_unique<const RE2>(pattern, options));
  }
}

void CommandLines::Find(std::string_view text, const OnFinding& on_finding) const {
  constexpr size_t kMaxLine = 8192;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const re2::StringPiece piece(line.data(), std::min(line.size(), kMaxLine));
    for (const auto& pattern : patterns_) {
      re2::StringPiece found;
      if (!RE2::PartialMatch(piece, *pattern, &found)) continue;
      const std::string_view value(found.data(), found.size());
      if (!IsPlaceholder(value)) on_finding(At("command-line", text, value, {}));
    }
  }
}

}  // namespace dragnet::secrets
