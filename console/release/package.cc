#include "console/release/package.h"

#include <algorithm>
#include <utility>

#include "console/package/archive.h"
#include "console/release/elf.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

bool IsAgentProgram(std::string_view name) {
  return std::find(std::begin(kAgentPrograms), std::end(kAgentPrograms), name) !=
         std::end(kAgentPrograms);
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ProgramsInPackage(std::string_view package) {
  DRAGNET_ASSIGN_OR_RETURN(Package parsed, ParsePackage(package));
  std::map<std::string, std::string> programs;
  for (PackageFile& file : parsed.files) {
    const std::string name = file.path.substr(file.path.rfind('/') + 1);
    // Completions and start scripts are called so, too.
    if (file.type != PackageFile::Type::kFile || !IsAgentProgram(name) || !IsElf(file.content))
      continue;
    if (file.content.size() > kMaxReleaseFileBytes) {
      return absl::InvalidArgumentError(
          StrCat("package: ", name, ": over ", kMaxReleaseFileBytes, " bytes"));
    }
    if (!programs.emplace(name, std::move(file.content)).second) {
      return absl::InvalidArgumentError(StrCat("package: there are two programs ", name, " in it"));
    }
  }
  return programs;
}

}  // namespace dragnet::console
