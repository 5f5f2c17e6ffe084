// Advisories of local files as parameters of module pkg: which versions of which
// packages are known to be bad (PkgParameters.vulnerable).
//
// Files are recognised by their content:
//   OSV   https://ossf.github.io/osv-schema/: one advisory, or an array of them.
//         Ecosystems Debian, Ubuntu, Red Hat (enterprise_linux), Rocky Linux,
//         AlmaLinux, Alpine, PyPI, npm and Go; ranges of type ECOSYSTEM and SEMVER
//         with introduced, fixed and last_affected; versions.
//   OVAL  https://oval-community-guidelines.readthedocs.io: definitions of classes
//         patch and vulnerability with dpkginfo and rpminfo tests of the EVR, as Debian
//         and Red Hat publish them.
//
// Versions are compared by module pkg, on the host. What can't be said there is left
// out and named; nothing is dropped silently. Two conditions are dropped by design,
// which makes the list wider, never narrower: OVAL's tests of a package's
// architecture, and of the key that it was signed with. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/pkg/pkg.pb.h"
#include "modules/pkg/vulnerable.h"

namespace dragnet::advisories {

inline constexpr size_t kMaxFileBytes = 256 * 1024 * 1024;
inline constexpr size_t kMaxLeftOut = 100'000;

struct AdvisoryFile {
  // For messages.
  std::string name;
  std::string content;
};

struct LeftOut {
  // The file and the advisory in it.
  std::string what;
  std::string why;
};

struct ImportedAdvisories {
  // With `vulnerable`; to be added to by whoever asks.
  pkg::v1::PkgParameters parameters;
  size_t entries = 0;
  std::vector<LeftOut> left_out;
};

// InvalidArgument when a file is neither of the forms, damaged, or over a bound (256
// MiB a file, 250,000 entries and 64 MiB in all, 100,000 things left out), naming it;
// also when no file has anything that can be said.
absl::StatusOr<ImportedAdvisories> ImportAdvisories(const std::vector<AdvisoryFile>& files);

}  // namespace dragnet::advisories
