// What the readers of databases have in common: a package, its files, and where
// they go. Values; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "modules/module.h"
#include "modules/pkg/pkg.pb.h"
#include "modules/pkg/root.h"

namespace dragnet::pkg {

// Longer texts are cut in rows.
inline constexpr size_t kMaxText = 4096;

enum class Algorithm : uint8_t {
  kNone,
  kMd5,
  kSha1,
  kSha224,
  kSha256,
  kSha384,
  kSha512,
  kSha3_256,
  kSha3_512,
  // The database names one that we don't know.
  kUnknown,
};

// A file of a package, as its database has it.
struct PackageFile {
  // Absolute, seen from the root, where it really is (diversions applied).
  std::string path;
  Algorithm algorithm = Algorithm::kNone;
  // Binary.
  std::string digest;
  std::optional<uint64_t> size;
  // Permissions: the lower 12 bits of st_mode.
  std::optional<uint32_t> mode;
  // The type: st_mode & S_IFMT.
  std::optional<uint32_t> type;
  std::optional<std::string> link_target;
  bool config = false;
  // Need not be there.
  bool may_be_missing = false;
};

// False: no more.
using FileSink = std::function<bool(const PackageFile&)>;

struct Package {
  v1::PkgRow row;
  // Reads the package's files and gives them to the sink; what can't be read is
  // noted. With the flag, those with something to verify only, and a package
  // without such is noted.
  std::function<void(bool to_verify, const FileSink&)> files;
};

// False: no more. The package is valid during the call.
using PackageSink = std::function<bool(Package&)>;

// What a reader of one database needs.
struct Reading {
  const Root& root;
  RunContext& context;
  const PackageSink& sink;
  // Packages of other states than installed, too.
  bool all_states = false;
  // Cheap test by name, before anything costly; always true when not known.
  std::function<bool(std::string_view name)> may_want;
};

// Text from a database, fit for a row.
std::string Text(std::string_view bytes);
// "ROOT/PATH", for examples of what was not looked at.
std::string Shown(const Root& root, std::string_view path);

// Each reads the databases of its kind that exist beneath the root. False when
// the sink wants no more.
bool ReadDpkg(const Reading& reading);
bool ReadRpm(const Reading& reading);
bool ReadApk(const Reading& reading);

}  // namespace dragnet::pkg
