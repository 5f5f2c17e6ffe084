#include "modules/pkg/run.h"

#include <errno.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "core/strings.h"
#include "modules/pkg/aliases.h"
#include "modules/pkg/ecosystem.h"
#include "modules/pkg/line_reader.h"
#include "modules/pkg/package.h"
#include "modules/pkg/root.h"
#include "modules/pkg/verify.h"
#include "modules/pkg/vulnerable.h"

namespace dragnet::pkg {
namespace {

constexpr size_t kMaxOsRelease = 64 * 1024;

// Rows, up to the limits.
class Output {
 public:
  Output(const Query& query, RunContext& context)
      : limit_(query.match_limit()), context_(context) {}

  // False when there shall be no more.
  bool Emit(const v1::PkgRow& row) {
    if (context_.stopping()) return false;
    if (limit_ != 0 && rows_ == limit_) {
      context_.NoteLimitHit(StrCat("match_limit ", limit_));
      return false;
    }
    ++rows_;
    return context_.EmitRow(row);
  }

 private:
  const uint64_t limit_;
  RunContext& context_;
  uint64_t rows_ = 0;
};

class RootRun {
 public:
  RootRun(const Query& query, const Root& root, Output& output, RunContext& context)
      : query_(query), root_(root), output_(output), context_(context) {
    if (query.vulnerable().names_systems()) ReadSystem();
    if (query.owns().empty()) return;
    aliases_.emplace(root);
    for (const std::string& path : query.owns()) owned_.insert(aliases_->Resolve(path));
  }

  // False when there shall be no more.
  bool Run() {
    const PackageSink sink = [this](Package& package) { return Take(package); };
    const Reading reading{
        .root = root_,
        .context = context_,
        .sink = sink,
        .all_states = query_.all_states(),
        .may_want = [this](std::string_view name) { return query_.MayMatchName(name); }};
    if (query_.Uses("dpkg") && !ReadDpkg(reading)) return false;
    if (query_.Uses("rpm") && !ReadRpm(reading)) return false;
    if (query_.Uses("apk") && !ReadApk(reading)) return false;
    if (!query_.uses_ecosystems()) return true;
    const EcosystemSearch search{.python = query_.Uses("python"),
                                 .node = query_.Uses("node"),
                                 .go = query_.Uses("go"),
                                 .paths = query_.search_paths()};
    return SearchEcosystems(search, reading);
  }

 private:
  bool Take(Package& package) {
    if (context_.stopping()) return false;
    if (!query_.Matches(package.row, context_)) return true;
    if (!root_.is_host()) package.row.set_root(Text(root_.path()));
    if (query_.verify()) return Verify(package);
    if (!query_.owns().empty()) return FindOwned(package);
    if (!query_.vulnerable().empty()) return FindVulnerable(package);
    return output_.Emit(package.row);
  }

  bool Verify(Package& package) {
    // What was removed has no files to check.
    if (package.row.state() == "config-files") return true;
    bool more = true;
    v1::PkgRow row = package.row;
    package.files(/*to_verify=*/true, [&](const PackageFile& file) {
      if (context_.stopping()) return more = false;
      if (file.config && !query_.verify_config()) return true;
      if (!IsAltered(root_, file, context_, &row)) return true;
      return more = output_.Emit(row);
    });
    return more;
  }

  // Which system it is decides whether entries are about it.
  void ReadSystem() {
    for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
      const UniqueFd fd = root_.OpenFile(path);
      if (!fd.valid()) continue;
      LineReader lines(fd.get());
      std::string text;
      std::string_view line;
      while (text.size() < kMaxOsRelease && lines.Next(&line)) StrAppend(&text, line, "\n");
      system_ = ParseOsRelease(text);
      break;
    }
    if (system_.system.empty() || system_.release.empty())
      context_.NoteUnexamined(
          "os-release doesn't say which system and release it is: entries for one can't hold",
          Shown(root_, "/etc/os-release"));
  }

  bool FindVulnerable(const Package& package) {
    v1::PkgRow row = package.row;
    return query_.vulnerable().ForEachMatch(
        package.row, system_, [&](const VulnerableEntry& entry, const VersionRange& range) {
          row.set_advisory(entry.id);
          row.set_affected(Text(FormatRange(range)));
          row.clear_fixed();
          for (const VersionBound& bound : range)
            if (bound.comparison == Comparison::kLess) row.set_fixed(bound.version);
          return output_.Emit(row);
        });
  }

  bool FindOwned(Package& package) {
    if (package.row.state() == "config-files") return true;
    bool more = true;
    absl::flat_hash_set<std::string> shown;
    package.files(/*to_verify=*/false, [&](const PackageFile& file) {
      std::string resolved = aliases_->Resolve(file.path);
      if (!owned_.contains(resolved) || !shown.insert(std::move(resolved)).second) return true;
      v1::PkgRow row = package.row;
      row.set_path(Text(file.path));
      return more = output_.Emit(row);
    });
    return more;
  }

  const Query& query_;
  const Root& root_;
  Output& output_;
  RunContext& context_;
  SystemRelease system_;
  std::optional<Aliases> aliases_;
  absl::flat_hash_set<std::string> owned_;
};

}  // namespace

void RunQuery(const Query& query, RunContext& context) {
  Output output(query, context);
  for (const std::string& path : query.roots()) {
    const absl::StatusOr<Root> root = Root::Open(path);
    if (!root.ok()) {
      context.NoteUnexamined("root that can't be opened", ToStd(root.status().message()));
      continue;
    }
    if (!RootRun(query, *root, output, context).Run()) return;
  }
}

}  // namespace dragnet::pkg
