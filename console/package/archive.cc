#include "console/package/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr std::string_view kArMagic = "!<arch>\n";
constexpr size_t kArHeadBytes = 60;
constexpr std::string_view kRpmMagic = "\xed\xab\xee\xdb";
constexpr size_t kMaxPath = 512;

absl::Status Refused(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("refused: ", what));
}

// What is left of the limits, for all archives of a package together.
struct Budget {
  uint64_t bytes;
  size_t files;
};

struct ReaderCloser {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, ReaderCloser>;

// "./usr//bin/x" to "usr/bin/x"; "." to "".
absl::StatusOr<std::string> CleanPath(std::string_view path) {
  if (path.size() > kMaxPath) return Refused("a path of more than 512 bytes");
  if (path.starts_with('/')) return Refused(StrCat("absolute path ", ForTerminal(path)));
  if (!IsValidUtf8(path) || ForTerminal(path) != path)
    return Refused(StrCat("a path that can't be shown: ", ForTerminal(path)));
  std::string clean;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") return Refused(StrCat("a path that leads out: ", clean, "/.."));
    if (!clean.empty()) clean.push_back('/');
    clean += part;
  }
  return clean;
}

std::string NameOr(const char* name, int64_t id) {
  if (name != nullptr && name[0] != '\0') return name;
  // Written by their number only: root's, or one that means another user on each host.
  return id == 0 ? "root" : StrCat(id);
}

bool IsUserName(std::string_view name) {
  return !name.empty() && name.size() <= 32 && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_' || c == '-';
         });
}

absl::StatusOr<std::string> ReadContent(archive* reader, Budget& budget) {
  std::string content;
  const void* block;
  size_t size;
  la_int64_t offset;
  while (true) {
    const int result = archive_read_data_block(reader, &block, &size, &offset);
    if (result == ARCHIVE_EOF) return content;
    if (result != ARCHIVE_OK)
      return absl::InvalidArgumentError("damaged: a file's content can't be read");
    if (static_cast<uint64_t>(offset) != content.size()) return Refused("a file with holes");
    if (size > budget.bytes)
      return absl::ResourceExhaustedError("refused: expands to more than may be");
    budget.bytes -= size;
    content.append(static_cast<const char*>(block), size);
  }
}

absl::StatusOr<PackageFile> ReadEntry(archive* reader, archive_entry* entry, std::string path,
                                      Budget& budget) {
  PackageFile file;
  file.path = std::move(path);
  file.mode = archive_entry_perm(entry) & 07777;
  file.user = NameOr(archive_entry_uname(entry), archive_entry_uid(entry));
  file.group = NameOr(archive_entry_gname(entry), archive_entry_gid(entry));
  file.modified = archive_entry_mtime(entry);
  if (!IsUserName(file.user) || !IsUserName(file.group))
    return Refused(StrCat(file.path, ": a user or group that is no name"));
  if (archive_entry_hardlink(entry) != nullptr) return Refused(StrCat(file.path, ": a hard link"));
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG: {
      file.type = PackageFile::Type::kFile;
      if ((file.mode & 06000) != 0)
        return Refused(StrCat(file.path, ": set-user-id or set-group-id"));
      DRAGNET_ASSIGN_OR_RETURN(file.content, ReadContent(reader, budget));
      return file;
    }
    case AE_IFDIR:
      file.type = PackageFile::Type::kDirectory;
      return file;
    case AE_IFLNK: {
      file.type = PackageFile::Type::kLink;
      const char* target = archive_entry_symlink(entry);
      if (target == nullptr || target[0] == '\0' || std::string_view(target).size() > kMaxPath ||
          ForTerminal(target) != target)
        return Refused(StrCat(file.path, ": a symbolic link to nowhere"));
      file.target = target;
      return file;
    }
    default:
      return Refused(StrCat(file.path, ": neither a file, a directory nor a symbolic link"));
  }
}

// All of a tar or cpio archive, compressed or not.
absl::StatusOr<std::vector<PackageFile>> ReadArchive(std::string_view bytes, bool cpio,
                                                     Budget& budget) {
  const Reader reader(archive_read_new());
  if (cpio) {
    archive_read_support_format_cpio(reader.get());
  } else {
    archive_read_support_format_tar(reader.get());
  }
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_bzip2(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_lzma(reader.get());
  archive_read_support_filter_zstd(reader.get());
  const auto damaged = [&] {
    const char* words = archive_error_string(reader.get());
    return absl::InvalidArgumentError(
        StrCat("damaged: ", words == nullptr ? "not an archive" : ForTerminal(words)));
  };
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return damaged();
  std::vector<PackageFile> files;
  std::set<std::string> paths;
  while (true) {
    archive_entry* entry;
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) return files;
    if (result != ARCHIVE_OK) return damaged();
    if (budget.files == 0) return absl::ResourceExhaustedError("refused: more files than may be");
    --budget.files;
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) return Refused("an entry without a name");
    DRAGNET_ASSIGN_OR_RETURN(std::string path, CleanPath(name));
    if (path.empty()) continue;  // "./" itself
    if (!paths.insert(path).second) return Refused(StrCat("the path ", path, " twice"));
    DRAGNET_ASSIGN_OR_RETURN(PackageFile file,
                             ReadEntry(reader.get(), entry, std::move(path), budget));
    files.push_back(std::move(file));
  }
}

// What lies below a file or a symbolic link would be put somewhere else.
absl::Status CheckParents(const std::vector<PackageFile>& files) {
  std::set<std::string_view> leaves;
  for (const PackageFile& file : files)
    if (file.type != PackageFile::Type::kDirectory) leaves.insert(file.path);
  for (const PackageFile& file : files) {
    const std::string_view path = file.path;
    for (size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1))
      if (leaves.contains(path.substr(0, slash)))
        return Refused(StrCat(path, ": below what is no directory"));
  }
  return absl::OkStatus();
}

struct ArMember {
  std::string name;
  std::string_view content;
};

// deb(5): members in this order, names without a directory.
absl::StatusOr<std::vector<ArMember>> ReadAr(std::string_view bytes) {
  bytes.remove_prefix(kArMagic.size());
  std::vector<ArMember> members;
  while (!bytes.empty()) {
    if (bytes.size() < kArHeadBytes || bytes.substr(58, 2) != "`\n" || members.size() == 16)
      return absl::InvalidArgumentError("damaged: not an archive as a .deb is");
    std::string name(bytes.substr(0, 16));
    while (!name.empty() && (name.back() == ' ' || name.back() == '/')) name.pop_back();
    uint64_t size = 0;
    const std::string_view digits = bytes.substr(48, 10);
    if (digits.find('-') != std::string_view::npos || !absl::SimpleAtoi(ToAbsl(digits), &size))
      return absl::InvalidArgumentError("damaged: a member without its size");
    bytes.remove_prefix(kArHeadBytes);
    if (size > bytes.size()) return absl::InvalidArgumentError("damaged: cut short");
    members.push_back({std::move(name), bytes.substr(0, size)});
    bytes.remove_prefix(std::min<size_t>(bytes.size(), size + size % 2));
  }
  return members;
}

absl::StatusOr<Package> ParseDeb(std::string_view bytes, Budget& budget) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<ArMember> members, ReadAr(bytes));
  if (members.size() != 3 || members[0].name != "debian-binary" ||
      !members[0].content.starts_with("2.") || !members[1].name.starts_with("control.tar") ||
      !members[2].name.starts_with("data.tar"))
    return absl::InvalidArgumentError(
        "not a .deb of format 2: debian-binary, control.tar and data.tar");
  Package package;
  package.kind = PackageKind::kDeb;
  DRAGNET_ASSIGN_OR_RETURN(package.control, ReadArchive(members[1].content, false, budget));
  DRAGNET_ASSIGN_OR_RETURN(package.files, ReadArchive(members[2].content, false, budget));
  for (const PackageFile& file : package.control) {
    if (file.type != PackageFile::Type::kFile || file.path.find('/') != std::string::npos)
      return Refused(StrCat("control file ", file.path));
    if (file.path != "control") continue;
    DRAGNET_ASSIGN_OR_RETURN(const ControlFields fields, ParseControl(file.content));
    package.name = ControlField(fields, "Package");
    package.version = ControlField(fields, "Version");
    package.architecture = ControlField(fields, "Architecture");
  }
  if (package.name.empty() || package.version.empty())
    return absl::InvalidArgumentError("damaged: no control file with a name and a version");
  return package;
}

absl::StatusOr<Package> ParseRpm(std::string_view bytes, Budget& budget) {
  Package package;
  package.kind = PackageKind::kRpm;
  size_t payload = 0;
  DRAGNET_ASSIGN_OR_RETURN(package.rpm, RpmHeader::Parse(bytes, &payload));
  package.name = package.rpm.Text(RpmTag::kName);
  package.version = package.rpm.Text(RpmTag::kVersion);
  package.architecture = package.rpm.Text(RpmTag::kArchitecture);
  if (package.name.empty() || package.version.empty())
    return absl::InvalidArgumentError("damaged: no name or version");
  DRAGNET_ASSIGN_OR_RETURN(package.files, ReadArchive(bytes.substr(payload), true, budget));
  // Whose they are is in the header; the payload has numbers.
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<RpmHeader::File> listed, package.rpm.Files());
  for (PackageFile& file : package.files) {
    const auto found = std::find_if(listed.begin(), listed.end(),
                                    [&](const auto& one) { return one.path == "/" + file.path; });
    if (found == listed.end())
      return Refused(StrCat(file.path, ": not in the list of the package's own header"));
    if (!IsUserName(found->user) || !IsUserName(found->group))
      return Refused(StrCat(file.path, ": a user or group that is no name"));
    file.user = found->user;
    file.group = found->group;
  }
  return package;
}

absl::StatusOr<Package> ParseTar(std::string_view bytes, Budget& budget) {
  Package package;
  package.kind = PackageKind::kTar;
  DRAGNET_ASSIGN_OR_RETURN(package.files, ReadArchive(bytes, false, budget));
  if (package.files.empty()) return absl::InvalidArgumentError("an empty archive");
  const std::string top =
      package.files.front().path.substr(0, package.files.front().path.find('/'));
  for (const PackageFile& file : package.files)
    if (file.path != top && !file.path.starts_with(top + "/"))
      return Refused(StrCat(file.path, ": outside of the directory ", top));
  // NAME-VERSION-linux-ARCHITECTURE
  const size_t system = top.rfind("-linux-");
  const size_t version = system == std::string::npos ? system : top.rfind('-', system - 1);
  if (system == std::string::npos || system == 0 || version == std::string::npos || version == 0)
    return absl::InvalidArgumentError(
        StrCat("its directory ", top, " is not of the form NAME-VERSION-linux-ARCHITECTURE"));
  package.name = top.substr(0, version);
  package.version = top.substr(version + 1, system - version - 1);
  package.architecture = top.substr(system + std::string_view("-linux-").size());
  return package;
}

}  // namespace

std::string_view PackageKindName(PackageKind kind) {
  switch (kind) {
    case PackageKind::kDeb:
      return "deb";
    case PackageKind::kRpm:
      return "rpm";
    case PackageKind::kTar:
      return "tar";
  }
  return "";
}

const PackageFile* Package::Find(std::string_view path) const {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const PackageFile& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

absl::StatusOr<ControlFields> ParseControl(std::string_view text) {
  ControlFields fields;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.find_first_not_of(" \t") == std::string_view::npos) {
      if (text.find_first_not_of(" \t\n") != std::string_view::npos)
        return absl::InvalidArgumentError("control: more than one paragraph");
      break;
    }
    if (line[0] == ' ' || line[0] == '\t') {
      if (fields.empty()) return absl::InvalidArgumentError("control: begins with a further line");
      StrAppend(&fields.back().second, "\n", line);
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0)
      return absl::InvalidArgumentError(StrCat("control: no field: ", ForTerminal(line)));
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\r')) value.remove_suffix(1);
    fields.emplace_back(line.substr(0, colon), value);
  }
  return fields;
}

std::string ControlField(const ControlFields& fields, std::string_view name) {
  for (const auto& [key, value] : fields)
    if (absl::EqualsIgnoreCase(key, ToAbsl(name))) return value;
  return "";
}

absl::StatusOr<Package> ParsePackage(std::string_view bytes, const PackageLimits& limits) {
  Budget budget{limits.unpacked_bytes, limits.files};
  absl::StatusOr<Package> package = bytes.starts_with(kArMagic)    ? ParseDeb(bytes, budget)
                                    : bytes.starts_with(kRpmMagic) ? ParseRpm(bytes, budget)
                                                                   : ParseTar(bytes, budget);
  if (!package.ok()) return package.status();
  DRAGNET_RETURN_IF_ERROR(CheckParents(package->files));
  return package;
}

absl::StatusOr<Package> ReadPackage(const std::string& path, const PackageLimits& limits) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, limits.package_bytes));
  absl::StatusOr<Package> package = ParsePackage(bytes, limits);
  if (!package.ok()) return Annotate(package.status(), path);
  return package;
}

}  // namespace dragnet::console
