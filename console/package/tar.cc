// The site package for hosts without a package manager: a .tar.gz with an install.sh.
#include "absl/strings/str_replace.h"
#include "console/package/archive_writer.h"
#include "console/package/install_script.h"
#include "console/package/site_package.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {

absl::Status CheckTar(const Package& vendor) {
  const std::string top =
      StrCat(vendor.name, "-", vendor.version, "-linux-", vendor.architecture, "/");
  if (vendor.Find(top + "install.sh") == nullptr)
    return absl::InvalidArgumentError("has no install.sh: it isn't the vendor's package");
  for (const PackageFile& file : vendor.files)
    if (file.path == top + "site" || file.path.starts_with(top + "site/") ||
        file.path == top + "install-agent.sh")
      return absl::InvalidArgumentError(StrCat("has ", file.path, ", which is made here"));
  return absl::OkStatus();
}

absl::StatusOr<std::string> MakeSiteTar(const Package& vendor, const SiteConfig& site,
                                        absl::Time made) {
  DRAGNET_RETURN_IF_ERROR(CheckVendor(vendor, PackageKind::kTar));
  DRAGNET_RETURN_IF_ERROR(CheckTar(vendor));
  const int64_t modified = absl::ToUnixSeconds(made);
  const std::string old_top =
      StrCat(vendor.name, "-", vendor.version, "-linux-", vendor.architecture);
  const std::string version = SiteVersion(vendor, made);
  const std::string top = StrCat(vendor.name, "-", version, "-linux-", vendor.architecture);
  std::vector<PackageFile> files;
  for (const PackageFile& file : vendor.files) {
    std::string below = file.path.substr(old_top.size());
    if (below == "/install.sh") below = "/install-agent.sh";
    files.emplace_back(file).path = top + below;
  }

  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PackageFile> added, SiteFiles(site, modified));
  std::string mode = "0644";
  constexpr std::string_view kEtc = "etc/dragnet/";
  for (const PackageFile& file : added) {
    if (file.type != PackageFile::Type::kFile) continue;
    if (file.path == "etc/dragnet/agent.toml" && file.mode == 0600) mode = "0600";
    files.emplace_back(file).path = StrCat(top, "/site/", file.path.substr(kEtc.size()));
  }
  files.push_back({.path = top + "/site",
                   .type = PackageFile::Type::kDirectory,
                   .mode = 0700,
                   .modified = modified});
  files.push_back({.path = top + "/install.sh",
                   .mode = 0755,
                   .content = absl::StrReplaceAll(
                       ToAbsl(kInstallScript),
                       {{"@MODE@", mode}, {"@VERSION@", version}, {"@FLEET@", site.fleet_id}}),
                   .modified = modified});
  return WriteTar(std::move(files), "", Compression::kGzip, modified);
}

}  // namespace dragnet::console
