#include "modules/sysctl/run.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <set>

#include "core/strings.h"
#include "core/text.h"
#include "modules/file/glob.h"
#include "modules/netstat/proc_files.h"
#include "modules/pkg/errno_words.h"
#include "modules/settings/files.h"
#include "modules/settings/formats.h"
#include "modules/settings/run.h"
#include "modules/sysctl/configured.h"

namespace dragnet::sysctl {
namespace {

constexpr int kMaxNames = 256;
constexpr size_t kMaxNameBytes = 1024;
// Values of the kernel are a page at most; a few are longer.
constexpr size_t kMaxValueBytes = 64 * 1024;
constexpr size_t kRowValueBytes = 4096;
// A directory for each interface, and a host may have thousands.
constexpr size_t kMaxSettings = 500'000;
constexpr size_t kMaxEntries = 100'000;
constexpr int kMaxDepth = 16;

constexpr std::string_view kSysctl = "/proc/sys";
// As sysctl --system and systemd-sysctl read them.
const std::string kDirectories[] = {"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d",
                                    "/usr/lib/sysctl.d", "/lib/sysctl.d"};

// Not from `text` as a whole, which may be long.
std::string RowText(std::string_view bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, kRowValueBytes + 16)), kRowValueBytes);
}

std::vector<settings::Setting> ReadFiles(const pkg::Root& root, RunContext& context) {
  settings::ConfigFiles files(root, context);
  std::vector<settings::Setting> lines;
  std::vector<std::string> paths = files.DropIns(kDirectories, ".conf");
  paths.push_back("/etc/sysctl.conf");
  for (const std::string& path : paths) {
    const auto text = files.Read(path, /*required=*/false);
    if (text) settings::ReadKeyValue(path, *text, files, &lines);
  }
  return lines;
}

class Scan {
 public:
  Scan(const Search& search, const pkg::Root& root, RunContext& context)
      : search_(search),
        root_(root),
        context_(context),
        lines_(ReadFiles(root, context)),
        configured_(lines_) {}

  void Run() {
    Directory("", 0);
    for (const auto& [path, line] : configured_.exact()) {
      if (stop_) return;
      if (line != nullptr && search_.Wants(path) && !seen_.contains(path)) ReportMissing(path);
    }
    // Names of nothing that there is, and that nothing configures.
    for (const std::string& pattern : search_.patterns) {
      if (stop_ || file::HasWildcard(pattern) || search_.only_configured || search_.only_differing)
        continue;
      const bool known = std::any_of(seen_.begin(), seen_.end(), [&](const std::string& path) {
        return PathMatches(pattern, path, true);
      });
      if (!known && seen_.insert(pattern).second) ReportMissing(pattern);
    }
  }

 private:
  // Whether something beneath a directory may be wanted.
  bool MayHold(std::string_view path) const {
    if (path.empty() || search_.patterns.empty()) return true;
    return std::any_of(search_.patterns.begin(), search_.patterns.end(),
                       [&](std::string_view pattern) {
                         // The pattern's leading parts, as many as the path has.
                         const auto parts = std::count(path.begin(), path.end(), '/') + 1;
                         size_t end = 0;
                         for (auto i = parts; i > 0 && end != std::string_view::npos; --i)
                           end = pattern.find('/', end == 0 ? 0 : end + 1);
                         return PathMatches(pattern.substr(0, end), path, true);
                       });
  }

  void Directory(const std::string& path, int depth) {
    std::vector<std::string> names;
    const std::string place = StrCat(kSysctl, "/", path);
    const UniqueFd fd = root_.OpenAt(place, O_RDONLY | O_DIRECTORY);
    bool truncated = false;
    if (!fd.valid() || !pkg::ListDirectory(fd.get(), kMaxEntries, &names, &truncated)) {
      // An interface may go meanwhile.
      if (errno != ENOENT || depth == 0) Note("list settings", place);
      return;
    }
    if (truncated || depth > kMaxDepth) context_.NoteUnexamined("groups that are too large", place);
    if (depth > kMaxDepth) return;
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (stop_) return;
      const std::string below = path.empty() ? name : StrCat(path, "/", name);
      struct stat status;
      if (::fstatat(fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) context_.NoteUnexamined(pkg::ErrnoWords(errno), below);
        continue;
      }
      if (S_ISDIR(status.st_mode)) {
        if (MayHold(below)) Directory(below, depth + 1);
      } else if (S_ISREG(status.st_mode) && search_.Wants(below)) {
        One(fd.get(), below, name, status.st_mode);
      }
    }
  }

  void One(int directory, const std::string& path, const std::string& name, mode_t mode) {
    seen_.insert(path);
    // Some are only written to, as a command.
    if ((mode & 0444) == 0) return;
    if (seen_.size() > kMaxSettings) {
      context_.NoteUnexamined("more than 500000 settings", path);
      stop_ = true;
      return;
    }
    v1::SysctlRow row = RowOf(path);
    row.set_exists(true);
    const auto text = netstat::ReadProcFile(directory, name.c_str(), kMaxValueBytes);
    if (text) {
      context_.AddExamined(1, text->size());
      const std::string value = Normalise(*text);
      row.set_readable(true);
      row.set_value(RowText(value));
      if (const auto number = settings::ParseWholeNumber(value)) row.set_number(*number);
      if (const settings::Setting* line = configured_.Find(path))
        row.set_differs(Normalise(line->value) != value);
    } else if (errno == ENOENT || errno == ENODEV) {
      return;
    } else if (search_.only_configured && !row.is_configured()) {
      return;
    } else {
      Note("read settings", NameOfPath(path));
    }
    Emit(row);
  }

  void ReportMissing(const std::string& path) {
    // One that is only written to is there all the same.
    Emit(RowOf(path));
  }

  v1::SysctlRow RowOf(const std::string& path) const {
    v1::SysctlRow row;
    row.set_name(RowText(NameOfPath(path)));
    if (const settings::Setting* line = configured_.Find(path)) {
      row.set_is_configured(true);
      row.set_configured(RowText(Normalise(line->value)));
      row.set_configured_in(RowText(line->path));
      row.set_configured_line(line->line);
    }
    return row;
  }

  void Emit(const v1::SysctlRow& row) {
    if (search_.only_configured && !row.is_configured()) return;
    if (search_.only_differing && !row.differs()) return;
    stop_ = !context_.EmitRow(row);
  }

  void Note(std::string_view what, std::string_view example) {
    context_.NoteUnexamined(StrCat(what, ": ", pkg::ErrnoWords(errno)), ToValidUtf8(example));
  }

  const Search& search_;
  const pkg::Root& root_;
  RunContext& context_;
  const std::vector<settings::Setting> lines_;
  const Configured configured_;
  std::set<std::string> seen_;
  bool stop_ = false;
};

}  // namespace

bool Search::Wants(std::string_view path) const {
  if (patterns.empty()) return true;
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return PathMatches(pattern, path, /*prefix=*/true);
  });
}

absl::StatusOr<Search> CompileSearch(const v1::SysctlParameters& parameters) {
  Search search;
  if (parameters.names_size() > kMaxNames)
    return absl::InvalidArgumentError(StrCat("names: at most ", kMaxNames));
  for (const std::string& name : parameters.names()) {
    const auto bad = [&](std::string_view what) {
      return absl::InvalidArgumentError(StrCat("names: '", name, "' ", what));
    };
    if (name.empty() || name.size() > kMaxNameBytes) return bad("is empty or over 1024 bytes");
    std::string path = PathOfName(name);
    std::string_view rest = path;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('/'), rest.size());
      const std::string_view part = rest.substr(0, end);
      if (part.empty() || part == "." || part == "..") return bad("has an empty part");
      if (absl::Status status = file::CheckGlobName(part); !status.ok())
        return bad(StrCat("is no wildcard: ", status.message()));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (path.ends_with('/')) return bad("ends with a separator");
    search.patterns.push_back(std::move(path));
  }
  search.only_configured = parameters.only_configured();
  search.only_differing = parameters.only_differing();
  return search;
}

void RunSearch(const Search& search, const pkg::Root& root, RunContext& context) {
  Scan(search, root, context).Run();
}

}  // namespace dragnet::sysctl
