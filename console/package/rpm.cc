// The site package as an .rpm, by rpmbuild.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "absl/cleanup/cleanup.h"
#include "console/check/agent_program.h"
#include "console/package/archive_writer.h"
#include "console/package/rpm_spec.h"
#include "console/package/site_package.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr absl::Duration kBuildTimeout = absl::Minutes(10);

// The first executable of that name in $PATH, or where it usually is.
absl::StatusOr<std::string> FindRpmbuild(const Environment& environment) {
  std::string path = environment("PATH").value_or("/usr/bin:/bin");
  while (!path.empty()) {
    const std::string directory = path.substr(0, path.find(':'));
    path.erase(0, directory.size() + 1);
    const std::string candidate = directory + "/rpmbuild";
    if (directory.starts_with('/') && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::FailedPreconditionError(
      "--target rpm: rpmbuild is not in PATH; it makes the package. Install it (Debian, Ubuntu: "
      "apt install rpm; Fedora, RHEL: dnf install rpm-build; openSUSE: zypper install rpm-build)");
}

absl::Status SetTime(const std::string& path, int64_t modified) {
  const timespec times[2] = {{modified, 0}, {modified, 0}};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0) return absl::OkStatus();
  return ErrnoStatus(StrCat("utimensat ", path), errno);
}

// Below `tree`, which is new and this user's alone; nothing in `files` leads out of it.
absl::Status WriteTree(const std::vector<PackageFile>& files, const std::string& tree) {
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(tree, 0755));
  for (const PackageFile& file : files) {
    const std::string path = StrCat(tree, "/", file.path);
    if (file.type == PackageFile::Type::kDirectory) {
      DRAGNET_RETURN_IF_ERROR(MakeDirectories(path, 0755));
      continue;
    }
    DRAGNET_RETURN_IF_ERROR(MakeDirectories(path.substr(0, path.rfind('/')), 0755));
    if (file.type == PackageFile::Type::kLink) {
      if (::symlink(file.target.c_str(), path.c_str()) != 0)
        return ErrnoStatus(StrCat("symlink ", path), errno);
    } else {
      DRAGNET_RETURN_IF_ERROR(WriteNewFile(path, file.content, file.mode));
    }
  }
  // From the inside out: what is made in a directory changes its time.
  for (auto file = files.rbegin(); file != files.rend(); ++file)
    DRAGNET_RETURN_IF_ERROR(SetTime(StrCat(tree, "/", file->path), file->modified));
  return absl::OkStatus();
}

std::vector<std::string> Arguments(const std::string& rpmbuild, const std::string& work,
                                   const std::string& architecture, absl::Time made) {
  std::vector<std::string> words = {
      "-c",
      // Neither its time nor its macros come from who calls; all that it says on one stream.
      "SOURCE_DATE_EPOCH=$1 HOME=$2; export SOURCE_DATE_EPOCH HOME; shift 2; umask 022; "
      "exec \"$@\" 2>&1 </dev/null",
      "sh", StrCat(absl::ToUnixSeconds(made)), work, rpmbuild, "-bb", "--target", architecture};
  const std::pair<std::string_view, std::string> macros[] = {
      {"_topdir", work},
      {"_rpmdir", work + "/out"},
      {"_rpmfilename", "package.rpm"},
      {"_tmppath", work},
      {"_buildhost", "localhost"},
      {"use_source_date_epoch_as_buildtime", "1"},
      {"clamp_mtime_to_source_date_epoch", "1"},
      {"source_date_epoch_from_changelog", "0"},
      {"_build_id_links", "none"},
      {"debug_package", "%{nil}"},
      {"__os_install_post", "%{nil}"},
      {"_binary_payload", "w9.gzdio"},
      {"optflags", "%{nil}"},
  };
  for (const auto& [name, value] : macros) {
    words.push_back("--define");
    words.push_back(StrCat(name, " ", value));
  }
  words.push_back("--buildroot");
  words.push_back(work + "/root");
  words.push_back(work + "/site.spec");
  return words;
}

absl::Status Build(const std::string& rpmbuild, const std::string& work,
                   const std::string& architecture, absl::Time made) {
  std::string last_error;
  ProgramRun run;
  run.program = "/bin/sh";
  run.arguments = Arguments(rpmbuild, work, architecture, made);
  run.timeout = kBuildTimeout;
  run.max_line = 1 << 20;
  run.max_output = 16 << 20;
  run.on_line = [&](std::string_view line) {
    if (line.find("error:") != std::string_view::npos) last_error = ForTerminal(line);
  };
  run.interrupted = [] { return false; };
  DRAGNET_ASSIGN_OR_RETURN(const std::string ended, RunProgram(run));
  if (::access((work + "/out/package.rpm").c_str(), R_OK) == 0) return absl::OkStatus();
  return absl::InternalError(StrCat(rpmbuild, " made no package: ",
                                    !last_error.empty() ? last_error
                                    : !ended.empty()    ? ended
                                                        : "it didn't say why"));
}

// That nothing was added, lost or changed on the way through another program.
absl::Status CheckMade(std::string_view bytes, const std::vector<PackageFile>& files) {
  DRAGNET_ASSIGN_OR_RETURN(const Package made, ParsePackage(bytes));
  size_t found = 0;
  for (const PackageFile& file : files) {
    const PackageFile* other = made.Find(file.path);
    if (other == nullptr || other->content != file.content || other->user != file.user ||
        (file.type != PackageFile::Type::kLink && other->mode != file.mode))
      return absl::InternalError(StrCat("/", file.path, " is not in the package as it should be"));
    ++found;
  }
  if (found == made.files.size()) return absl::OkStatus();
  return absl::InternalError("the package has files that no one put into it");
}

}  // namespace

absl::Status CheckRpm(const Package& vendor, const SiteConfig& site,
                      const Environment& environment) {
  DRAGNET_RETURN_IF_ERROR(FindRpmbuild(environment).status());
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PackageFile> added, SiteFiles(site, 0));
  return RpmSpec(vendor, Merge(vendor.files, added), added, site.fleet_id, absl::UnixEpoch(),
                 "/tmp")
      .status();
}

absl::StatusOr<std::string> MakeSiteRpm(const Package& vendor, const SiteConfig& site,
                                        absl::Time made, const Environment& environment) {
  DRAGNET_RETURN_IF_ERROR(CheckVendor(vendor, PackageKind::kRpm));
  DRAGNET_ASSIGN_OR_RETURN(const std::string rpmbuild, FindRpmbuild(environment));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PackageFile> added,
                           SiteFiles(site, absl::ToUnixSeconds(made)));
  const std::vector<PackageFile> files = Merge(vendor.files, added);

  std::string work = environment("TMPDIR").value_or("/tmp") + "/dragnet-package-XXXXXX";
  if (work.find_first_of(" %\"'\\$*") != std::string::npos) work = "/tmp/dragnet-package-XXXXXX";
  if (::mkdtemp(work.data()) == nullptr) return ErrnoStatus(StrCat("make ", work), errno);
  const absl::Cleanup remove = [&] {
    std::error_code ignored;
    std::filesystem::remove_all(work, ignored);
  };
  const std::string tree = work + "/tree";
  DRAGNET_RETURN_IF_ERROR(WriteTree(files, tree));
  DRAGNET_ASSIGN_OR_RETURN(const std::string spec,
                           RpmSpec(vendor, files, added, site.fleet_id, made, tree));
  DRAGNET_RETURN_IF_ERROR(WriteNewFile(work + "/site.spec", spec, 0600));
  DRAGNET_RETURN_IF_ERROR(Build(rpmbuild, work, vendor.architecture, made));

  DRAGNET_ASSIGN_OR_RETURN(std::string bytes,
                           ReadFile(work + "/out/package.rpm", PackageLimits().package_bytes));
  DRAGNET_RETURN_IF_ERROR(CheckMade(bytes, files));
  return bytes;
}

}  // namespace dragnet::console
