#include "console/package/site_package.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "console/package/rpm_spec.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

bool IsOf(std::string_view text, std::string_view more) {
  return !text.empty() && text.size() <= 128 &&
         absl::ascii_isalnum(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  more.find(c) != std::string_view::npos;
         });
}

}  // namespace

std::string SiteSuffix(absl::Time made) {
  return StrCat("site", absl::FormatTime("%Y%m%d%H%M%S", made, absl::UTCTimeZone()));
}

std::string SiteVersion(const Package& vendor, absl::Time made) {
  if (vendor.kind != PackageKind::kRpm) return StrCat(vendor.version, "+", SiteSuffix(made));
  return StrCat(vendor.version, "-", RpmRelease(vendor, made));
}

std::string SiteFileName(const Package& vendor, absl::Time made) {
  const std::string version = SiteVersion(vendor, made);
  switch (vendor.kind) {
    case PackageKind::kDeb:
      // An epoch isn't in file names.
      return StrCat("dragnet-agent_", version.substr(version.find(':') + 1), "_",
                    vendor.architecture, ".deb");
    case PackageKind::kRpm:
      return StrCat("dragnet-agent-", version, ".", vendor.architecture, ".rpm");
    case PackageKind::kTar:
      return StrCat("dragnet-agent-", version, "-linux-", vendor.architecture, ".tar.gz");
  }
  return "";
}

absl::Status CheckVendor(const Package& vendor, PackageKind kind) {
  if (vendor.kind != kind)
    return absl::InvalidArgumentError(StrCat("is a ", PackageKindName(vendor.kind),
                                             ", and --target ", PackageKindName(kind),
                                             " takes the agent's package of its own kind"));
  if (vendor.name != "dragnet-agent")
    return absl::InvalidArgumentError(
        StrCat("is the package ", ForTerminal(vendor.name), ", not dragnet-agent"));
  // Both become parts of file names and of documents that are written here.
  if (!IsOf(vendor.version, ".+~:-") || !IsOf(vendor.architecture, "_-"))
    return absl::InvalidArgumentError("its version or architecture is not one");
  const std::string release = vendor.rpm.Text(RpmTag::kRelease);
  if (vendor.version.find("site2") != std::string::npos ||
      release.find("site2") != std::string::npos)
    return absl::InvalidArgumentError(
        StrCat("version ", vendor.version, release.empty() ? "" : "-", release,
               " is a site package already: give the vendor's package"));
  const std::string top = kind == PackageKind::kTar ? StrCat(vendor.name, "-", vendor.version,
                                                             "-linux-", vendor.architecture, "/")
                                                    : "";
  for (const char* program : {"dragnet-agent", "dragnet-link", "dragnet-worker"}) {
    const PackageFile* file = vendor.Find(StrCat(top, "usr/bin/", program));
    if (file == nullptr || file->type != PackageFile::Type::kFile || (file->mode & 0100) == 0)
      return absl::InvalidArgumentError(StrCat("has no program /usr/bin/", program));
  }
  return absl::OkStatus();
}

absl::Status CheckSitePackage(PackageKind kind, const Package& vendor, const SiteConfig& site,
                              const Environment& environment) {
  DRAGNET_RETURN_IF_ERROR(CheckVendor(vendor, kind));
  DRAGNET_RETURN_IF_ERROR(SiteFiles(site, 0).status());
  switch (kind) {
    case PackageKind::kDeb:
      return absl::OkStatus();
    case PackageKind::kRpm:
      return CheckRpm(vendor, site, environment);
    case PackageKind::kTar:
      return CheckTar(vendor);
  }
  return absl::OkStatus();
}

}  // namespace dragnet::console
