#include "console/client/trust_version.h"

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {

std::string TrustVersionPath(const ConsoleConfig& config) {
  const std::string name = StrCat("trust-version.", config.fleet_id);
  return (std::filesystem::path(config.path).parent_path() / name).string();
}

absl::StatusOr<uint64_t> SeenTrustVersion(const ConsoleConfig& config) {
  const std::string path = TrustVersionPath(config);
  const absl::StatusOr<std::string> text = ReadFile(path, /*max_bytes=*/64);
  if (absl::IsNotFound(text.status())) return 0;
  if (!text.ok()) return Annotate(text.status(), "newest trust policy seen here");
  uint64_t version;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &version)) {
    return absl::DataLossError(
        StrCat("newest trust policy seen here: ", path,
               ": not a version: write the version that the fleet is known to have into it"));
  }
  return version;
}

absl::Status KeepTrustVersion(const ConsoleConfig& config, uint64_t version) {
  return WriteFileAtomically(TrustVersionPath(config), StrCat(version, "\n"), 0600);
}

}  // namespace dragnet::console
