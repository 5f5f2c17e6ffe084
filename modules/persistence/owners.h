// Which package a file belongs to, and whether it is as the package has it: asked
// for many files at once, with one pass over the databases of module pkg. Belongs
// to one thread.
#pragma once

#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "modules/persistence/host.h"
#include "modules/pkg/aliases.h"
#include "modules/pkg/package.h"

namespace dragnet::persistence {

class Owners {
 public:
  explicit Owners(Host& host) : host_(host), aliases_(host.root()) {}

  // `path` as it really is (Host::RealPath).
  void Want(const std::string& path) { wanted_.try_emplace(aliases_.Resolve(path)); }

  // Reads the databases; with `verify` compares what is wanted with their checksums.
  void Find(bool verify);

  // No database has any package: whose a file is isn't known.
  bool has_packages() const { return has_packages_; }
  // Empty for none.
  std::string_view PackageOf(const std::string& path) const;
  // yes, no, or empty when it isn't known.
  std::string_view IsAltered(const std::string& path) const;

 private:
  struct Owner {
    std::string package;
    std::string_view altered;
  };

  bool Take(pkg::Package& package, bool verify);
  void Verify(pkg::Package& package);
  const Owner* Get(const std::string& path) const;

  Host& host_;
  const pkg::Aliases aliases_;
  // By path, with directories' aliases resolved.
  absl::flat_hash_map<std::string, Owner> wanted_;
  bool has_packages_ = false;
};

}  // namespace dragnet::persistence
