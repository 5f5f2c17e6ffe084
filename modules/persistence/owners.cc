#include "modules/persistence/owners.h"

#include "modules/pkg/verify.h"

namespace dragnet::persistence {

void Owners::Find(bool verify) {
  const pkg::PackageSink sink = [&](pkg::Package& package) { return Take(package, verify); };
  const pkg::Reading reading{.root = host_.root(),
                             .context = host_.context(),
                             .sink = sink,
                             .all_states = false,
                             .may_want = [](std::string_view) { return true; }};
  if (pkg::ReadDpkg(reading) && pkg::ReadRpm(reading)) pkg::ReadApk(reading);
}

bool Owners::Take(pkg::Package& package, bool verify) {
  has_packages_ = true;
  bool owns_any = false;
  package.files(/*to_verify=*/false, [&](const pkg::PackageFile& file) {
    const auto wanted = wanted_.find(aliases_.Resolve(file.path));
    if (wanted == wanted_.end()) return true;
    owns_any = true;
    if (wanted->second.package.empty()) wanted->second.package = package.row.name();
    return true;
  });
  if (verify && owns_any) Verify(package);
  return !host_.context().stopping();
}

void Owners::Verify(pkg::Package& package) {
  package.files(/*to_verify=*/true, [&](const pkg::PackageFile& file) {
    const auto wanted = wanted_.find(aliases_.Resolve(file.path));
    if (wanted == wanted_.end() || wanted->second.package != package.row.name()) return true;
    const bool has_digest =
        file.algorithm != pkg::Algorithm::kNone && file.algorithm != pkg::Algorithm::kUnknown;
    pkg::v1::PkgRow row;
    const bool altered = pkg::IsAltered(host_.root(), file, host_.context(), &row);
    // Without a checksum that the file is there says nothing about its content.
    if (altered) {
      wanted->second.altered = "yes";
    } else if (has_digest) {
      wanted->second.altered = "no";
    }
    return true;
  });
}

const Owners::Owner* Owners::Get(const std::string& path) const {
  const auto found = wanted_.find(aliases_.Resolve(path));
  return found == wanted_.end() ? nullptr : &found->second;
}

std::string_view Owners::PackageOf(const std::string& path) const {
  const Owner* owner = Get(path);
  return owner == nullptr ? std::string_view() : owner->package;
}

std::string_view Owners::IsAltered(const std::string& path) const {
  const Owner* owner = Get(path);
  return owner == nullptr ? std::string_view() : owner->altered;
}

}  // namespace dragnet::persistence
