// dpkg's database: /var/lib/dpkg/status, or, in images without dpkg, the files
// in status.d; info/*.list and *.md5sums; diversions. The formats are described
// by dpkg's manual pages, deb822(5) and deb-control(5).
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/pkg/deb822.h"
#include "modules/pkg/errno_words.h"
#include "modules/pkg/line_reader.h"
#include "modules/pkg/package.h"

namespace dragnet::pkg {
namespace {

constexpr char kAdmin[] = "/var/lib/dpkg";
constexpr size_t kMaxStatusFiles = 100000;
constexpr size_t kMaxDiversions = 100000;

struct Diversion {
  std::string to;
  // Whose own file at the path isn't diverted; ":" is the administrator, and
  // then everyone's is.
  std::string by;
};
using Diversions = absl::flat_hash_map<std::string, Diversion>;

// What a package's files are found by.
struct Files {
  const Root& root;
  RunContext& context;
  const Diversions& diversions;
  std::string name;
  // Without their suffixes, e.g. /var/lib/dpkg/info/libc6:amd64.
  std::string info;
  // The status field Conffiles.
  std::string conffiles;
  // There is a list of all files.
  bool has_list = true;

  std::string Place(std::string_view path) const {
    const auto diversion = diversions.find(std::string(path));
    if (diversion == diversions.end() || diversion->second.by == name) return std::string(path);
    return diversion->second.to;
  }
};

// Reads a file of the database by lines. A failure is noted; false then, or when
// `take` returns false.
bool ForEachLine(const Root& root, RunContext& context, const std::string& path,
                 const std::function<bool(std::string_view)>& take, bool may_be_absent) {
  const UniqueFd fd = root.OpenFile(path);
  if (!fd.valid()) {
    if (errno != ENOENT || !may_be_absent) {
      context.NoteUnexamined(ErrnoWords(errno), Shown(root, path));
    }
    return false;
  }
  LineReader lines(fd.get());
  std::string_view line;
  bool wanted = true;
  while (wanted && lines.Next(&line)) wanted = take(line);
  context.AddExamined(0, lines.bytes());
  if (lines.error() != 0) context.NoteUnexamined(ErrnoWords(lines.error()), Shown(root, path));
  if (lines.too_long() > 0) context.NoteUnexamined("line over 1 MiB", Shown(root, path));
  return wanted;
}

Diversions ReadDiversions(const Root& root, RunContext& context) {
  Diversions diversions;
  std::vector<std::string> three;
  ForEachLine(
      root, context, StrCat(kAdmin, "/diversions"),
      [&](std::string_view line) {
        three.emplace_back(line);
        if (three.size() < 3) return true;
        diversions[three[0]] = {three[1], three[2]};
        three.clear();
        return diversions.size() < kMaxDiversions;
      },
      /*may_be_absent=*/true);
  return diversions;
}

std::string_view TakeWord(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

struct Conffile {
  std::string path;
  // Empty where the status has none, as for a file that was never installed.
  std::string digest;
  // Of a former version of the package: need not be there.
  bool obsolete = false;
};

// A package's configuration files, as the status has them.
std::vector<Conffile> ParseConffiles(std::string_view field) {
  std::vector<Conffile> files;
  while (!field.empty()) {
    std::string_view line = field.substr(0, field.find('\n'));
    field.remove_prefix(std::min(line.size() + 1, field.size()));
    // PATH MD5 [obsolete] [remove-on-upgrade]: the path may hold blanks.
    Conffile file;
    for (std::string_view flag : {" remove-on-upgrade", " obsolete"}) {
      if (line.ends_with(flag)) {
        line.remove_suffix(flag.size());
        file.obsolete = true;
      }
    }
    const size_t blank = line.rfind(' ');
    if (blank == std::string_view::npos) continue;
    if (!HexDecode(line.substr(blank + 1), &file.digest) || file.digest.size() != 16)
      file.digest.clear();
    file.path = std::string(line.substr(0, blank));
    files.push_back(std::move(file));
  }
  return files;
}

void ReadToVerify(const Files& files, const FileSink& sink) {
  absl::flat_hash_set<std::string> given;
  bool more = true;
  PackageFile file;
  file.algorithm = Algorithm::kMd5;
  const auto give = [&](std::string_view path, std::string digest) {
    file.path = files.Place(path);
    given.insert(file.path);
    file.digest = std::move(digest);
    return sink(file);
  };
  const std::string sums = StrCat(files.info, ".md5sums");
  ForEachLine(
      files.root, files.context, sums,
      [&](std::string_view line) {
        if (line.empty()) return true;
        std::string digest;
        std::string_view path = line.substr(std::min<size_t>(line.size(), 32));
        while (path.starts_with(' ')) path.remove_prefix(1);
        if (path.starts_with("./")) path.remove_prefix(2);
        if (!HexDecode(line.substr(0, 32), &digest) || digest.size() != 16 || path.empty()) {
          files.context.NoteUnexamined("malformed line of checksums", Shown(files.root, sums));
          return true;
        }
        return more = give(path.starts_with('/') ? std::string(path) : StrCat("/", path),
                           std::move(digest));
      },
      /*may_be_absent=*/true);
  file.config = true;
  absl::flat_hash_set<std::string> without_digest;
  for (Conffile& conffile : ParseConffiles(files.conffiles)) {
    if (!more) return;
    file.may_be_missing = conffile.obsolete;
    if (conffile.digest.empty()) {
      without_digest.insert(files.Place(conffile.path));
    } else {
      more = give(conffile.path, std::move(conffile.digest));
    }
  }
  if (!more || !files.has_list) return;
  // What has no checksum (directories, links) must still be there. Regular files
  // without any checksum at all can't be checked further, which is said.
  file = {};
  bool has_regular = false;
  ForEachLine(
      files.root, files.context, StrCat(files.info, ".list"),
      [&](std::string_view line) {
        if (!line.starts_with('/')) return true;
        file.path = files.Place(line);
        if (given.contains(file.path)) return true;
        file.config = without_digest.contains(file.path);
        struct stat status;
        if (given.empty() && !has_regular && files.root.Status(file.path, &status))
          has_regular = S_ISREG(status.st_mode);
        return sink(file);
      },
      /*may_be_absent=*/false);
  if (has_regular) files.context.NoteUnexamined("package without checksums", files.name);
}

void ReadList(const Files& files, const FileSink& sink) {
  PackageFile file;
  if (!files.has_list) {
    // Images without dpkg list only what has a checksum.
    ReadToVerify(files, sink);
    return;
  }
  ForEachLine(
      files.root, files.context, StrCat(files.info, ".list"),
      [&](std::string_view line) {
        if (!line.starts_with('/')) return true;
        file.path = files.Place(line);
        return sink(file);
      },
      /*may_be_absent=*/false);
}

class DpkgReader {
 public:
  explicit DpkgReader(const Reading& reading)
      : reading_(reading),
        info_(reading.root.OpenAt(StrCat(kAdmin, "/info"), O_PATH | O_DIRECTORY)) {}

  // One file of stanzas. `single` is its name without checksums' suffix where
  // each package has its own file.
  bool ReadStatus(const std::string& path, const std::string& single) {
    const UniqueFd fd = reading_.root.OpenFile(path);
    if (!fd.valid()) {
      if (errno != ENOENT)
        reading_.context.NoteUnexamined(ErrnoWords(errno), Shown(reading_.root, path));
      return true;
    }
    LineReader lines(fd.get());
    Deb822Reader stanzas(lines);
    Stanza stanza;
    bool more = true;
    while (more) {
      const Deb822Reader::Result result = stanzas.Next(&stanza);
      if (result == Deb822Reader::Result::kEnd) break;
      if (result == Deb822Reader::Result::kMalformed) {
        reading_.context.NoteUnexamined("malformed entry of the package database",
                                        StrCat(Shown(reading_.root, path), ": ", stanzas.error()));
        continue;
      }
      more = Give(stanza, path, single);
    }
    reading_.context.AddExamined(0, lines.bytes());
    if (lines.error() != 0)
      reading_.context.NoteUnexamined(ErrnoWords(lines.error()), Shown(reading_.root, path));
    return more;
  }

 private:
  bool Give(const Stanza& stanza, const std::string& path, const std::string& single) {
    const std::string_view name = stanza.Get("Package");
    if (name.empty() || name.find('/') != std::string_view::npos) {
      reading_.context.NoteUnexamined("entry without a package's name", Shown(reading_.root, path));
      return true;
    }
    std::string_view state = "installed";
    if (single.empty()) {
      std::string_view status = stanza.Get("Status");
      TakeWord(status);
      TakeWord(status);
      state = TakeWord(status);
      if (state == "not-installed") return true;
      if (state == "config-files" && !reading_.all_states) return true;
    }
    reading_.context.AddExamined(1, 0);
    if (!reading_.may_want(name)) return true;
    Fill(stanza, name, state, path);
    const std::string_view arch = stanza.Get("Architecture");
    Files files{.root = reading_.root,
                .context = reading_.context,
                .diversions = GetDiversions(),
                .name = std::string(name),
                .info = single,
                .conffiles = std::string(stanza.Get("Conffiles")),
                .has_list = single.empty()};
    if (single.empty()) files.info = FindInfo(stanza, name, arch);
    package_.files = [&files](bool to_verify, const FileSink& sink) {
      to_verify ? ReadToVerify(files, sink) : ReadList(files, sink);
    };
    const bool more = reading_.sink(package_);
    package_.files = nullptr;
    return more;
  }

  void Fill(const Stanza& stanza, std::string_view name, std::string_view state,
            const std::string& path) {
    v1::PkgRow& row = package_.row;
    row.Clear();
    row.set_name(Text(name));
    row.set_version(Text(stanza.Get("Version")));
    row.set_arch(Text(stanza.Get("Architecture")));
    row.set_type("dpkg");
    row.set_state(Text(state));
    // SOURCE (VERSION), where they differ from the package's.
    std::string_view source = stanza.Get("Source");
    const std::string_view source_name = TakeWord(source);
    row.set_source(source_name.empty() ? row.name() : Text(source_name));
    const std::string_view version = TakeWord(source);
    if (version.size() > 2 && version.front() == '(' && version.back() == ')') {
      row.set_source_version(Text(version.substr(1, version.size() - 2)));
    }
    row.set_vendor(Text(stanza.Get("Maintainer")));
    row.set_location(path);
    uint64_t kib = 0;
    if (absl::SimpleAtoi(ToAbsl(stanza.Get("Installed-Size")), &kib) && kib < (1ULL << 50))
      row.set_installed_size(kib * 1024);
  }

  // The info files of packages that can be there in several architectures have
  // theirs in their names. The list's time is that of the last installation.
  std::string FindInfo(const Stanza& stanza, std::string_view name, std::string_view arch) {
    std::string names[] = {StrCat(name, ":", arch), std::string(name)};
    if (stanza.Get("Multi-Arch") != "same") std::swap(names[0], names[1]);
    for (const std::string& info : names) {
      struct stat status;
      if (info_.valid() &&
          fstatat(info_.get(), StrCat(info, ".list").c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        package_.row.mutable_installed()->set_seconds(
            std::clamp<int64_t>(status.st_mtim.tv_sec, 0, 253402300799));
        return StrCat(kAdmin, "/info/", info);
      }
    }
    return StrCat(kAdmin, "/info/", names[0]);
  }

  const Diversions& GetDiversions() {
    if (!diversions_)
      diversions_ = std::make_unique<Diversions>(ReadDiversions(reading_.root, reading_.context));
    return *diversions_;
  }

  const Reading& reading_;
  const UniqueFd info_;
  std::unique_ptr<Diversions> diversions_;
  Package package_;
};

}  // namespace

bool ReadDpkg(const Reading& reading) {
  DpkgReader reader(reading);
  if (!reader.ReadStatus(StrCat(kAdmin, "/status"), "")) return false;
  const std::string directory = StrCat(kAdmin, "/status.d");
  const UniqueFd fd = reading.root.OpenAt(directory, O_RDONLY | O_DIRECTORY);
  if (!fd.valid()) {
    if (errno != ENOENT && errno != ENOTDIR)
      reading.context.NoteUnexamined(ErrnoWords(errno), Shown(reading.root, directory));
    return true;
  }
  std::vector<std::string> names;
  bool truncated = false;
  if (!ListDirectory(fd.get(), kMaxStatusFiles, &names, &truncated))
    reading.context.NoteUnexamined(ErrnoWords(errno), Shown(reading.root, directory));
  if (truncated)
    reading.context.NoteUnexamined("more than 100,000 files", Shown(reading.root, directory));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (name.ends_with(".md5sums") || name.starts_with('.')) continue;
    const std::string path = StrCat(directory, "/", name);
    if (!reader.ReadStatus(path, path)) return false;
  }
  return true;
}

}  // namespace dragnet::pkg
