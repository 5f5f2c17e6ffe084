// RPM's packages, of whichever form of database there is.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/pkg/errno_words.h"
#include "modules/pkg/package.h"
#include "modules/pkg/rpm_database.h"
#include "modules/pkg/rpm_header.h"

namespace dragnet::pkg {
namespace {

using Reader = absl::Status (*)(int, const HeaderSink&, const PassedOver&);

struct Form {
  const char* file;
  Reader read;
};
// The newest first: what an upgrade has left beside it is old.
constexpr Form kForms[] = {
    {"rpmdb.sqlite", ReadRpmSqlite}, {"Packages.db", ReadRpmNdb}, {"Packages", ReadRpmBdb}};
constexpr const char* kDirectories[] = {"/usr/lib/sysimage/rpm", "/var/lib/rpm"};

// rpmfiles.h
constexpr uint64_t kFileConfig = 1 << 0;
constexpr uint64_t kFileMissingOk = 1 << 3;
constexpr uint64_t kFileGhost = 1 << 6;
constexpr uint64_t kStateWrongColor = 4;
constexpr uint64_t kVerifyDigest = 1 << 0;
constexpr uint64_t kVerifySize = 1 << 1;
constexpr uint64_t kVerifyLink = 1 << 2;
constexpr uint64_t kVerifyMode = 1 << 6;

// RFC 4880's and RFC 9580's numbers; RPM without one means MD5.
Algorithm ToAlgorithm(uint64_t number) {
  switch (number) {
    case 1:
      return Algorithm::kMd5;
    case 2:
      return Algorithm::kSha1;
    case 8:
      return Algorithm::kSha256;
    case 9:
      return Algorithm::kSha384;
    case 10:
      return Algorithm::kSha512;
    case 11:
      return Algorithm::kSha224;
    case 12:
      return Algorithm::kSha3_256;
    case 14:
      return Algorithm::kSha3_512;
    default:
      return Algorithm::kUnknown;
  }
}

// Gives the paths of a header's files with their indexes. False when the index
// of files is malformed.
bool ForEachPath(const RpmHeader& header, const std::function<bool(size_t, std::string)>& take) {
  const std::vector<std::string_view> base_names = header.Strings(RpmTag::kBaseNames);
  if (base_names.empty()) {
    const std::vector<std::string_view> names = header.Strings(RpmTag::kOldFileNames);
    for (size_t i = 0; i < names.size(); ++i)
      if (!take(i, std::string(names[i]))) break;
    return true;
  }
  const std::vector<std::string_view> directories = header.Strings(RpmTag::kDirNames);
  if (header.NumberCount(RpmTag::kDirIndexes) != base_names.size()) return false;
  for (size_t i = 0; i < base_names.size(); ++i) {
    const uint64_t directory = header.Number(RpmTag::kDirIndexes, i).value_or(UINT64_MAX);
    if (directory >= directories.size()) return false;
    if (!take(i, StrCat(directories[directory], base_names[i]))) break;
  }
  return true;
}

void AddWhatToVerify(const RpmHeader& header, size_t i, uint64_t flags, Algorithm algorithm,
                     const std::vector<std::string_view>& digests,
                     const std::vector<std::string_view>& links, PackageFile* file) {
  // Without this tag all is to be verified; -1 is all, too.
  const uint64_t verify = header.Number(RpmTag::kFileVerifyFlags, i).value_or(UINT64_MAX);
  file->config = (flags & kFileConfig) != 0;
  file->may_be_missing = (flags & kFileMissingOk) != 0;
  const std::optional<uint64_t> mode = header.Number(RpmTag::kFileModes, i);
  if (mode) {
    // Its type is compared even where its permissions are not.
    file->type = static_cast<uint32_t>(*mode & S_IFMT);
    if ((verify & kVerifyMode) != 0) file->mode = static_cast<uint32_t>(*mode & 07777);
  }
  if (file->type && S_ISLNK(*file->type)) {
    if ((verify & kVerifyLink) != 0 && i < links.size()) file->link_target = std::string(links[i]);
    return;
  }
  if (file->type && !S_ISREG(*file->type)) return;
  if ((verify & kVerifySize) != 0) {
    file->size = header.Number(RpmTag::kLongFileSizes, i);
    if (!file->size) file->size = header.Number(RpmTag::kFileSizes, i);
  }
  if ((verify & kVerifyDigest) != 0 && i < digests.size() && !digests[i].empty()) {
    file->algorithm = HexDecode(digests[i], &file->digest) ? algorithm : Algorithm::kUnknown;
  }
}

void GiveFiles(const RpmHeader& header, RunContext& context, const std::string& name,
               bool to_verify, const FileSink& sink) {
  std::vector<std::string_view> digests;
  std::vector<std::string_view> links;
  Algorithm algorithm = Algorithm::kMd5;
  if (to_verify) {
    digests = header.Strings(RpmTag::kFileDigests);
    links = header.Strings(RpmTag::kFileLinkTargets);
    if (const auto number = header.Number(RpmTag::kFileDigestAlgorithm))
      algorithm = ToAlgorithm(*number);
  }
  const bool whole = ForEachPath(header, [&](size_t i, std::string path) {
    const uint64_t flags = header.Number(RpmTag::kFileFlags, i).value_or(0);
    const uint64_t state = header.Number(RpmTag::kFileStates, i).value_or(0);
    PackageFile file;
    file.path = std::move(path);
    if (!to_verify) return sink(file);
    if ((flags & kFileGhost) != 0) return true;
    // Not installed, by choice or because another package's file is there.
    if (state != 0 && state <= kStateWrongColor) return true;
    AddWhatToVerify(header, i, flags, algorithm, digests, links, &file);
    return sink(file);
  });
  if (!whole) context.NoteUnexamined("malformed list of files", name);
}

class RpmReader {
 public:
  explicit RpmReader(const Reading& reading) : reading_(reading) {}

  bool ReadAll() {
    for (const char* directory : kDirectories) {
      for (const Form& form : kForms) {
        const std::string path = StrCat(directory, "/", form.file);
        const UniqueFd fd = reading_.root.OpenFile(path);
        struct stat status;
        if (!fd.valid() && (errno == ENOENT || errno == ENOTDIR)) continue;
        if (!fd.valid() || fstat(fd.get(), &status) != 0) {
          reading_.context.NoteUnexamined(ErrnoWords(errno), Shown(reading_.root, path));
          continue;
        }
        // /var/lib/rpm is a link to the other directory on newer systems.
        if (!seen_.emplace(status.st_dev, status.st_ino).second) break;
        NoteUnwritten(path);
        if (!Read(fd.get(), path, form.read)) return false;
        break;
      }
    }
    return true;
  }

 private:
  // RPM empties its write-ahead log when it is done; one that isn't empty holds
  // what is newer than the database.
  void NoteUnwritten(const std::string& path) {
    struct stat status;
    const std::string log = StrCat(path, "-wal");
    if (reading_.root.Status(log, &status) && status.st_size > 0) {
      reading_.context.NoteUnexamined("write-ahead log of RPM's database isn't empty",
                                      Shown(reading_.root, log));
    }
  }

  bool Read(int fd, const std::string& path, Reader read) {
    bool more = true;
    const std::string shown = Shown(reading_.root, path);
    const absl::Status status = read(
        fd, [&](std::string_view blob) { return more = Give(blob, path); },
        [&](std::string_view reason, uint64_t record) {
          reading_.context.NoteUnexamined(reason, StrCat(shown, ": ", record));
        });
    if (!status.ok())
      reading_.context.NoteUnexamined("package database that can't be read",
                                      StrCat(shown, ": ", ToStd(status.message())));
    return more;
  }

  bool Give(std::string_view blob, const std::string& path) {
    reading_.context.AddExamined(1, blob.size());
    const absl::StatusOr<RpmHeader> header = RpmHeader::Parse(blob);
    if (!header.ok()) {
      reading_.context.NoteUnexamined(
          "malformed entry of the package database",
          StrCat(Shown(reading_.root, path), ": ", ToStd(header.status().message())));
      return true;
    }
    const std::string_view name = header->String(RpmTag::kName);
    if (name.empty()) {
      reading_.context.NoteUnexamined("entry without a package's name", Shown(reading_.root, path));
      return true;
    }
    if (!reading_.may_want(name)) return true;
    Fill(*header, path);
    package_.files = [&](bool to_verify, const FileSink& sink) {
      GiveFiles(*header, reading_.context, package_.row.name(), to_verify, sink);
    };
    const bool more = reading_.sink(package_);
    package_.files = nullptr;
    return more;
  }

  void Fill(const RpmHeader& header, const std::string& path) {
    v1::PkgRow& row = package_.row;
    row.Clear();
    row.set_name(Text(header.String(RpmTag::kName)));
    std::string version =
        StrCat(header.String(RpmTag::kVersion), "-", header.String(RpmTag::kRelease));
    if (const auto epoch = header.Number(RpmTag::kEpoch)) version = StrCat(*epoch, ":", version);
    row.set_version(Text(version));
    row.set_arch(Text(header.String(RpmTag::kArch)));
    row.set_type("rpm");
    row.set_state("installed");
    if (const auto time = header.Number(RpmTag::kInstallTime))
      row.mutable_installed()->set_seconds(
          static_cast<int64_t>(std::min<uint64_t>(*time, 253402300799)));
    row.set_source(Text(header.String(RpmTag::kSourceRpm)));
    const std::string_view vendor = header.String(RpmTag::kVendor);
    row.set_vendor(Text(vendor.empty() ? header.String(RpmTag::kPackager) : vendor));
    row.set_location(path);
    auto size = header.Number(RpmTag::kLongSize);
    if (!size) size = header.Number(RpmTag::kSize);
    row.set_installed_size(size.value_or(0));
  }

  const Reading& reading_;
  std::set<std::pair<dev_t, ino_t>> seen_;
  Package package_;
};

}  // namespace

bool ReadExactly(int fd, uint64_t offset, char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t count = pread(fd, bytes, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes += count;
    size -= static_cast<size_t>(count);
    offset += static_cast<uint64_t>(count);
  }
  return true;
}

bool ReadRpm(const Reading& reading) { return RpmReader(reading).ReadAll(); }

}  // namespace dragnet::pkg
