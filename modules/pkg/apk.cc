// Alpine's database of installed packages: lines of a letter, a colon and a
// value; an empty line ends a package. F: begins a directory, R: a file in it;
// a: is the file's owner and mode, Z: its digest.
#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "core/strings.h"
#include "modules/pkg/errno_words.h"
#include "modules/pkg/line_reader.h"
#include "modules/pkg/package.h"

namespace dragnet::pkg {
namespace {

constexpr const char* kDatabases[] = {"/lib/apk/db/installed", "/usr/lib/apk/db/installed"};
// Of one package: the bytes of its lines.
constexpr size_t kMaxPackage = 16 * 1024 * 1024;

// Q1 is SHA-1, Q2 SHA-256, in Base64 after it.
void SetDigest(std::string_view value, PackageFile* file) {
  file->algorithm = Algorithm::kUnknown;
  if (value.size() < 3 || value[0] != 'Q') return;
  absl::Base64Unescape(ToAbsl(value.substr(2)), &file->digest);
  if (value[1] == '1' && file->digest.size() == 20) file->algorithm = Algorithm::kSha1;
  if (value[1] == '2' && file->digest.size() == 32) file->algorithm = Algorithm::kSha256;
}

// UID:GID:MODE, the mode in octal.
void SetMode(std::string_view value, PackageFile* file) {
  value.remove_prefix(std::min(value.find(':') + 1, value.size()));
  value.remove_prefix(std::min(value.find(':') + 1, value.size()));
  value = value.substr(0, value.find(':'));
  uint32_t mode = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), mode, 8);
  if (error == std::errc() && end == value.data() + value.size() && mode <= 07777)
    file->mode = mode;
}

// The files in a package's lines.
void GiveFiles(std::string_view lines, bool to_verify, const FileSink& sink) {
  std::string directory;
  PackageFile file;
  bool have_file = false;
  const auto flush = [&] {
    const bool had = have_file;
    have_file = false;
    return !had || (to_verify && file.algorithm == Algorithm::kNone) || sink(file);
  };
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    if (line.size() < 2 || line[1] != ':') continue;
    const std::string_view value = line.substr(2);
    if (line[0] == 'F' || line[0] == 'R') {
      if (!flush()) return;
      file = {};
    }
    if (line[0] == 'F') {
      directory = value.empty() ? "" : StrCat("/", value);
      file.path = directory.empty() ? "/" : directory;
      have_file = !to_verify;
    } else if (line[0] == 'R') {
      file.path = StrCat(directory, "/", value);
      file.config = directory == "/etc" || directory.starts_with("/etc/");
      have_file = true;
    } else if (line[0] == 'Z' && have_file) {
      SetDigest(value, &file);
    } else if (line[0] == 'a' && have_file) {
      SetMode(value, &file);
    }
  }
  flush();
}

bool Give(const Reading& reading, const std::string& path, std::string_view lines) {
  Package package;
  v1::PkgRow& row = package.row;
  for (std::string_view rest = lines; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::string_view value = line.substr(2);
    uint64_t size = 0;
    switch (line[0]) {
      case 'P':
        row.set_name(Text(value));
        break;
      case 'V':
        row.set_version(Text(value));
        break;
      case 'A':
        row.set_arch(Text(value));
        break;
      case 'o':
        row.set_source(Text(value));
        break;
      case 'm':
        row.set_vendor(Text(value));
        break;
      case 'I':
        if (absl::SimpleAtoi(ToAbsl(value), &size)) row.set_installed_size(size);
        break;
      case 'F':
        // What follows is the files.
        rest = {};
        break;
      default:
        break;
    }
  }
  if (row.name().empty()) {
    reading.context.NoteUnexamined("entry without a package's name", Shown(reading.root, path));
    return true;
  }
  reading.context.AddExamined(1, 0);
  if (!reading.may_want(row.name())) return true;
  row.set_type("apk");
  row.set_state("installed");
  row.set_location(path);
  package.files = [lines](bool to_verify, const FileSink& sink) {
    GiveFiles(lines, to_verify, sink);
  };
  return reading.sink(package);
}

bool Read(const Reading& reading, const std::string& path, int fd) {
  LineReader lines(fd);
  std::string package;
  std::string_view line;
  std::string wrong;
  bool more = true;
  const auto finish = [&] {
    if (!wrong.empty()) {
      reading.context.NoteUnexamined("malformed entry of the package database",
                                     StrCat(Shown(reading.root, path), ": ", wrong));
    } else if (!package.empty()) {
      more = Give(reading, path, package);
    }
    package.clear();
    wrong.clear();
  };
  while (more && lines.Next(&line)) {
    if (line.empty()) {
      finish();
    } else if (line.size() < 2 || line[1] != ':') {
      wrong = StrCat("line ", lines.line_number(), ": not a letter and a colon");
    } else if (package.size() + line.size() > kMaxPackage) {
      wrong = StrCat("line ", lines.line_number(), ": package over 16 MiB");
    } else {
      package.append(line).push_back('\n');
    }
  }
  if (more) finish();
  reading.context.AddExamined(0, lines.bytes());
  if (lines.error() != 0)
    reading.context.NoteUnexamined(ErrnoWords(lines.error()), Shown(reading.root, path));
  if (lines.too_long() > 0)
    reading.context.NoteUnexamined("line over 1 MiB", Shown(reading.root, path));
  return more;
}

}  // namespace

bool ReadApk(const Reading& reading) {
  struct stat seen{};
  for (const char* path : kDatabases) {
    const UniqueFd fd = reading.root.OpenFile(path);
    struct stat status;
    if (!fd.valid() && (errno == ENOENT || errno == ENOTDIR)) continue;
    if (!fd.valid() || fstat(fd.get(), &status) != 0) {
      reading.context.NoteUnexamined(ErrnoWords(errno), Shown(reading.root, path));
      continue;
    }
    // /lib is /usr/lib on newer systems.
    if (status.st_dev == seen.st_dev && status.st_ino == seen.st_ino) continue;
    seen = status;
    if (!Read(reading, path, fd.get())) return false;
  }
  return true;
}

}  // namespace dragnet::pkg
