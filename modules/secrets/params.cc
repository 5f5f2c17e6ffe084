#include "modules/secrets/params.h"

#include <algorithm>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::secrets {
namespace {

constexpr int kMaxPaths = 128;
constexpr int kMaxKinds = 64;
constexpr int kMaxExcludes = 256;
constexpr int kMaxAllowed = 10'000;
constexpr uint64_t kDefaultFileSize = 4 << 20;
constexpr uint64_t kMaxFileSize = 64 << 20;

constexpr std::string_view kDefaultPaths[] = {"/root",    "/home",           "/etc", "/srv", "/opt",
                                              "/var/www", "/var/lib/jenkins"};

constexpr std::string_view kKinds[] = {"private-key",
                                       "pgp-key",
                                       "age-key",
                                       "aws-secret-key",
                                       "azure-key",
                                       "gcp-service-account",
                                       "google-key",
                                       "github-token",
                                       "gitlab-token",
                                       "slack-token",
                                       "stripe-key",
                                       "npm-token",
                                       "pypi-token",
                                       "sendgrid-key",
                                       "digitalocean-token",
                                       "vault-token",
                                       "huggingface-token",
                                       "openai-key",
                                       "anthropic-key",
                                       "netrc",
                                       "pgpass",
                                       "docker-auth",
                                       "kubeconfig-key",
                                       "jwt",
                                       "url-password",
                                       "command-line",
                                       "password",
                                       "token"};

std::string Quoted(std::string_view text) {
  return StrCat("'", ForTerminal(Shorten(text, 200)), "'");
}

absl::Status CheckCount(std::string_view field, int count, int most) {
  if (count <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(field, ": there are ", count, ", at most ", most));
}

absl::Status Wrong(std::string_view field, int index, std::string_view value,
                   std::string_view what) {
  return absl::InvalidArgumentError(StrCat(field, "[", index, "] ", Quoted(value), " ", what));
}

absl::Status CheckPath(std::string_view path) {
  if (path.size() > 4095) return absl::InvalidArgumentError("is longer than 4095 bytes");
  if (path.find('\0') != std::string_view::npos)
    return absl::InvalidArgumentError("has a NUL byte in it");
  if (!path.starts_with('/')) return absl::InvalidArgumentError("is not absolute; begin it with /");
  if (path.find_first_of("*?[") != std::string_view::npos)
    return absl::InvalidArgumentError("has wildcards; give the directory that holds them all");
  return absl::OkStatus();
}

absl::Status TakeExclude(const std::string& exclude, Search* search) {
  if (exclude.empty()) return absl::InvalidArgumentError("is empty");
  if (exclude.starts_with('/')) {
    DRAGNET_ASSIGN_OR_RETURN(file::Glob glob, file::Glob::Compile(exclude));
    search->exclude_paths.push_back(std::move(glob));
    return absl::OkStatus();
  }
  if (exclude.find('/') != std::string::npos)
    return absl::InvalidArgumentError("is neither a name nor an absolute path; begin it with /");
  DRAGNET_RETURN_IF_ERROR(file::CheckGlobName(exclude));
  search->exclude_names.push_back(exclude);
  return absl::OkStatus();
}

bool IsFingerprint(std::string_view text) {
  for (const std::string_view prefix : {"secret:", "place:"}) {
    if (!text.starts_with(prefix)) continue;
    text.remove_prefix(prefix.size());
    return text.size() == 16 &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  }
  return false;
}

}  // namespace

bool Search::IsExcluded(std::string_view path, std::string_view name) const {
  for (const std::string& pattern : exclude_names)
    if (file::GlobNameMatches(pattern, name)) return true;
  return std::any_of(exclude_paths.begin(), exclude_paths.end(),
                     [&](const file::Glob& glob) { return glob.Matches(path); });
}

absl::StatusOr<Search> CompileSearch(const v1::SecretsParameters& parameters) {
  Search search;
  DRAGNET_RETURN_IF_ERROR(CheckCount("paths", parameters.paths_size(), kMaxPaths));
  for (int i = 0; i < parameters.paths_size(); ++i) {
    const std::string& path = parameters.paths(i);
    if (const absl::Status status = CheckPath(path); !status.ok())
      return Wrong("paths", i, path, ToStd(status.message()));
    search.paths.push_back(path);
  }
  if (search.paths.empty()) search.paths.assign(std::begin(kDefaultPaths), std::end(kDefaultPaths));
  search.max_depth = parameters.max_depth();
  if (parameters.max_file_size() > kMaxFileSize) {
    return absl::InvalidArgumentError(
        StrCat("max_file_size: ", parameters.max_file_size(), " is more than ", kMaxFileSize));
  }
  search.max_file_size =
      parameters.max_file_size() == 0 ? kDefaultFileSize : parameters.max_file_size();
  DRAGNET_RETURN_IF_ERROR(CheckCount("kinds", parameters.kinds_size(), kMaxKinds));
  for (int i = 0; i < parameters.kinds_size(); ++i) {
    const std::string& kind = parameters.kinds(i);
    if (std::find(std::begin(kKinds), std::end(kKinds), kind) == std::end(kKinds)) {
      std::string choices;
      for (const std::string_view known : kKinds)
        StrAppend(&choices, choices.empty() ? "" : ", ", known);
      return Wrong("kinds", i, kind, StrCat("is unknown; there are ", choices));
    }
    search.kinds.insert(kind);
  }
  DRAGNET_RETURN_IF_ERROR(CheckCount("exclude", parameters.exclude_size(), kMaxExcludes));
  for (int i = 0; i < parameters.exclude_size(); ++i) {
    if (const absl::Status status = TakeExclude(parameters.exclude(i), &search); !status.ok())
      return Wrong("exclude", i, parameters.exclude(i), ToStd(status.message()));
  }
  search.world_readable = parameters.world_readable();
  DRAGNET_RETURN_IF_ERROR(CheckCount("allow", parameters.allow_size(), kMaxAllowed));
  for (int i = 0; i < parameters.allow_size(); ++i) {
    if (!IsFingerprint(parameters.allow(i))) {
      return Wrong("allow", i, parameters.allow(i),
                   "is no fingerprint; write it as rows have it, secret: or place: and 16 "
                   "hexadecimal digits");
    }
    search.allow.insert(parameters.allow(i));
  }
  return search;
}

}  // namespace dragnet::secrets
