// What is in a package: a .deb, an .rpm or a .tar.gz, read into memory without any of the
// programs that made it. A package is taken for hostile: its sizes are bounded, and what no
// package of the agent has is refused by name (a path that leads out, a device, a hard link,
// a set-user-id file, one path twice). That the package is the vendor's is not for this to
// say: see docs/site-packages.md.
//
// Thread-safe: no state.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "console/package/rpm_header.h"

namespace dragnet::console {

enum class PackageKind { kDeb, kRpm, kTar };

// "deb", "rpm", "tar".
std::string_view PackageKindName(PackageKind kind);

struct PackageFile {
  enum class Type { kFile, kDirectory, kLink };

  // "usr/bin/dragnet-agent": relative, without ".", ".." and empty parts. Of a tar, with the
  // directory that everything is in.
  std::string path{};
  Type type = Type::kFile;
  // The lower twelve bits; neither set-user-id nor set-group-id for files.
  mode_t mode = 0644;
  std::string user = "root";
  std::string group = "root";
  // Of a kLink: where it points to, as it is written.
  std::string target{};
  std::string content{};
  // Seconds since 1970.
  int64_t modified = 0;
};

struct Package {
  PackageKind kind = PackageKind::kTar;
  // As the package itself says; of a tar, as its top directory does
  // (dragnet-agent-0.1.0-linux-amd64). `version` of a deb includes its revision.
  std::string name;
  std::string version;
  std::string architecture;
  std::vector<PackageFile> files;
  // Of a deb: control, conffiles, postinst, …
  std::vector<PackageFile> control;
  // Of an rpm.
  RpmHeader rpm;

  // Null: no such path. "usr/bin/dragnet-agent".
  const PackageFile* Find(std::string_view path) const;
};

struct PackageLimits {
  // Of the package, of all that is in it, and how many entries.
  uint64_t package_bytes = uint64_t{512} << 20;
  uint64_t unpacked_bytes = uint64_t{1} << 30;
  size_t files = 4096;
};

// The kind is told by the first bytes. InvalidArgument: not a package, or one with something
// that is refused; ResourceExhausted: larger than `limits`. Errors begin with `path`.
absl::StatusOr<Package> ReadPackage(const std::string& path,
                                    const PackageLimits& limits = PackageLimits());

// The same of bytes; errors don't name a file.
absl::StatusOr<Package> ParsePackage(std::string_view bytes,
                                     const PackageLimits& limits = PackageLimits());

// The fields of a control file's one paragraph, in order; values with their further lines.
using ControlFields = std::vector<std::pair<std::string, std::string>>;
absl::StatusOr<ControlFields> ParseControl(std::string_view text);
// Empty: there is none. Names are compared as dpkg does, without regard to case.
std::string ControlField(const ControlFields& fields, std::string_view name);

}  // namespace dragnet::console
