#include "console/cli/sweep_pack.h"

#include <optional>
#include <utility>

#include "console/check/pack_names.h"
#include "console/packs/pack_loader.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {

absl::StatusOr<check::v1::CheckParameters> LoadSweepPack(
    const std::string& word, const std::map<std::string, std::string>& set, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string path, PackPath(word, session.io().environment));
  Problems problems;
  std::map<std::string, bool> used;
  const PackOptions options{.modules = session.modules(), .now = session.now(), .set = set};
  std::optional<Pack> pack = LoadPack(path, options, &used, &problems);
  for (const std::string& warning : problems.WarningLines()) session.io().Say(warning);
  if (!pack.has_value() || !problems.ok()) {
    const absl::Status status = problems.ToStatus();
    return status.ok() ? absl::InvalidArgumentError(StrCat(path, ": not a pack")) : status;
  }
  for (const auto& [name, value] : set)
    if (!used.contains(name))
      return absl::InvalidArgumentError(
          StrCat("--set ", name, ": ", path, " has no such variable"));
  return std::move(pack->parameters);
}

}  // namespace dragnet::console
