// The site package as a .deb, deb(5), without dpkg.
#include <openssl/evp.h>

#include <set>

#include "absl/strings/match.h"
#include "console/package/archive_writer.h"
#include "console/package/site_package.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// What dpkg looks at for `dpkg --verify`; nothing rests on it.
std::string Md5(std::string_view content) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(content.data(), content.size(), digest, &size, EVP_md5(), nullptr) != 1) return "";
  return HexEncode({reinterpret_cast<const char*>(digest), size});
}

bool IsConffile(const PackageFile& file) {
  return file.type == PackageFile::Type::kFile && file.path != kTokenPath;
}

// The vendor's, and those of the site: they stay when a package of the vendor's, which has
// none of them, takes this one's place. Not the token: dpkg would keep copies of it, and ask
// about it.
std::string Conffiles(const Package& vendor, const std::vector<PackageFile>& site) {
  std::string list;
  std::set<std::string> listed;
  for (const PackageFile& file : vendor.control)
    if (file.path == "conffiles") list = file.content;
  if (!list.empty() && list.back() != '\n') list.push_back('\n');
  for (size_t at = 0; at < list.size(); at = list.find('\n', at) + 1)
    listed.insert(list.substr(at, list.find('\n', at) - at));
  for (const PackageFile& file : site)
    if (IsConffile(file) && !listed.contains("/" + file.path))
      StrAppend(&list, "/", file.path, "\n");
  return list;
}

std::string Md5Sums(const std::vector<PackageFile>& files) {
  std::string sums;
  for (const PackageFile& file : files)
    if (file.type == PackageFile::Type::kFile && file.path != kTokenPath)
      StrAppend(&sums, Md5(file.content), "  ", file.path, "\n");
  return sums;
}

// Debian Policy 5.6.20.
uint64_t InstalledKilobytes(const std::vector<PackageFile>& files) {
  uint64_t total = 0;
  for (const PackageFile& file : files)
    total += file.type == PackageFile::Type::kFile ? (file.content.size() + 1023) / 1024 : 1;
  return total;
}

absl::StatusOr<std::string> Control(const PackageFile& vendor, const std::string& version,
                                    uint64_t kilobytes, const SiteConfig& site) {
  DRAGNET_ASSIGN_OR_RETURN(ControlFields fields, ParseControl(vendor.content));
  std::string text;
  for (auto& [name, value] : fields) {
    if (absl::EqualsIgnoreCase(name, "Version")) value = version;
    if (absl::EqualsIgnoreCase(name, "Installed-Size")) value = StrCat(kilobytes);
    if (absl::EqualsIgnoreCase(name, "Description"))
      StrAppend(&value, "\n .\n This package makes the host one of the fleet ", site.fleet_id, ".");
    StrAppend(&text, name, ":", value.starts_with('\n') ? "" : " ", value, "\n");
  }
  return text;
}

}  // namespace

absl::StatusOr<std::string> MakeSiteDeb(const Package& vendor, const SiteConfig& site,
                                        absl::Time made) {
  DRAGNET_RETURN_IF_ERROR(CheckVendor(vendor, PackageKind::kDeb));
  const int64_t modified = absl::ToUnixSeconds(made);
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PackageFile> added, SiteFiles(site, modified));
  const std::vector<PackageFile> files = Merge(vendor.files, added);

  std::vector<PackageFile> control;
  for (const PackageFile& file : vendor.control) {
    PackageFile& copy = control.emplace_back(file);
    if (file.path == "control") {
      DRAGNET_ASSIGN_OR_RETURN(
          copy.content, Control(file, SiteVersion(vendor, made), InstalledKilobytes(files), site));
    } else if (file.path == "conffiles" || file.path == "md5sums") {
      control.pop_back();
    }
  }
  control.push_back(
      {.path = "conffiles", .content = Conffiles(vendor, added), .modified = modified});
  control.push_back({.path = "md5sums", .content = Md5Sums(files), .modified = modified});

  DRAGNET_ASSIGN_OR_RETURN(const std::string control_tar,
                           WriteTar(std::move(control), "./", Compression::kXz, modified));
  DRAGNET_ASSIGN_OR_RETURN(const std::string data_tar,
                           WriteTar(files, "./", Compression::kXz, modified));
  return WriteAr(
      {{"debian-binary", "2.0\n"}, {"control.tar.xz", control_tar}, {"data.tar.xz", data_tar}},
      modified);
}

}  // namespace dragnet::console
