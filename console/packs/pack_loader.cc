#include "console/packs/pack_loader.h"

#include <fnmatch.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "console/packs/keys.h"
#include "console/packs/pack_file.h"
#include "console/packs/yaml_reader.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/check/validate.h"

namespace dragnet::console {
namespace {

// "a/b/../c" to "a/c". Nothing for what is absolute or leads out.
std::optional<std::string> Normalise(std::string_view directory, std::string_view name) {
  if (name.empty() || name.starts_with('/') || name.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string joined = directory.empty() ? std::string(name) : StrCat(directory, "/", name);
  std::vector<std::string> parts;
  for (absl::string_view part : absl::StrSplit(joined, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return std::nullopt;
      parts.pop_back();
    } else {
      parts.emplace_back(part);
    }
  }
  if (parts.empty()) return std::nullopt;
  return absl::StrJoin(parts, "/");
}

std::string DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash));
}

bool MatchesAny(const std::vector<YamlNode>& patterns, const std::string& id) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const YamlNode& pattern) {
    return ::fnmatch(pattern.text.c_str(), id.c_str(), 0) == 0;
  });
}

class Loader {
 public:
  Loader(const PackFileSource& source, const std::string& directory, const PackOptions& options,
         std::map<std::string, bool>* set_used, Problems* problems)
      : source_(source),
        directory_(directory),
        options_(options),
        set_used_(set_used),
        problems_(problems) {}

  std::optional<Pack> Load(const std::string& name) {
    Pack pack;
    pack.file = Shown(name);
    const Place top{.file = std::make_shared<const std::string>(pack.file)};
    YamlNode root;
    if (!ReadFile(name, top, "", &root)) return std::nullopt;
    PackFile file;
    const std::vector<ReadCheck> checks = Checks(name, std::move(root), nullptr, &file);
    pack.parameters.set_pack(file.id.text);
    pack.parameters.set_title(file.title.text);
    pack.parameters.set_version(file.version.text);
    AddChecks(checks, &pack);
    if (problems_->ok()) Validate(file, top, pack);
    if (!problems_->ok()) return std::nullopt;
    return pack;
  }

 private:
  std::string Shown(const std::string& name) const {
    return directory_.empty() ? name : StrCat(directory_, "/", name);
  }

  // `place` and `path` are where it is named.
  bool ReadFile(const std::string& name, const Place& place, std::string_view path,
                YamlNode* root) {
    if (++files_ > kMaxPackFiles) {
      if (files_ == kMaxPackFiles + 1) {
        problems_->Error(place, path, StrCat("more than ", kMaxPackFiles, " files"));
      }
      return false;
    }
    const absl::StatusOr<std::string> text = source_(name, kMaxYamlBytes);
    if (!text.ok()) {
      problems_->Error(place, path, ToStd(text.status().message()));
      return false;
    }
    return ReadYaml(*text, Shown(name), root, problems_);
  }

  // Of the file and what it includes. `variables` are the including file's.
  std::vector<ReadCheck> Checks(const std::string& name, YamlNode root, const YamlNode* variables,
                                PackFile* file) {
    stack_.push_back(name);
    const OperationReader reader{
        .modules = options_.modules,
        .now = options_.now,
        .read_file = [&](const std::string& wanted,
                         size_t max_bytes) { return ReadNamed(name, wanted, max_bytes); },
        .problems = problems_};
    *file = ReadPackFile(std::move(root),
                         {.set = options_.set, .set_used = set_used_, .including = variables},
                         reader, &budget_);
    std::vector<ReadCheck> checks;
    for (size_t i = 0; i < file->includes.size(); ++i) {
      for (ReadCheck& check : Included(name, file->includes[i], StrCat("include[", i, "]")))
        checks.push_back(std::move(check));
    }
    for (ReadCheck& check : file->checks) checks.push_back(std::move(check));
    stack_.pop_back();
    return checks;
  }

  absl::StatusOr<std::string> ReadNamed(const std::string& from, const std::string& wanted,
                                        size_t max_bytes) {
    const std::optional<std::string> name = Normalise(DirectoryOf(from), wanted);
    if (!name.has_value()) {
      return absl::InvalidArgumentError("not within the directory of the pack");
    }
    if (++files_ > kMaxPackFiles) {
      return absl::InvalidArgumentError(StrCat("more than ", kMaxPackFiles, " files"));
    }
    return source_(*name, max_bytes);
  }

  std::vector<ReadCheck> Included(const std::string& from, const IncludeEntry& entry,
                                  const std::string& path) {
    const Place& place = entry.file.place;
    if (entry.file.text.empty()) return {};
    const std::optional<std::string> name = Normalise(DirectoryOf(from), entry.file.text);
    const std::string shown = Shorten(entry.file.text, 200);
    if (!name.has_value()) {
      problems_->Error(place, path, StrCat(shown, ": only files within the directory of the pack"));
      return {};
    }
    if (std::find(stack_.begin(), stack_.end(), *name) != stack_.end()) {
      problems_->Error(
          place, path,
          StrCat(shown, ": includes itself: ", absl::StrJoin(stack_, " > "), " > ", *name));
      return {};
    }
    if (stack_.size() > kMaxIncludeDepth) {
      problems_->Error(place, path, StrCat("includes more than ", kMaxIncludeDepth, " deep"));
      return {};
    }
    YamlNode root;
    if (!ReadFile(*name, place, path, &root)) return {};
    PackFile file;
    std::vector<ReadCheck> checks = Checks(*name, std::move(root), &entry.variables, &file);
    return Chosen(std::move(checks), entry, path);
  }

  std::vector<ReadCheck> Chosen(std::vector<ReadCheck> checks, const IncludeEntry& entry,
                                const std::string& path) {
    std::vector<std::string> ids;
    for (const ReadCheck& check : checks) ids.push_back(check.check.id());
    RequireMatches(entry.only, ids, StrCat(path, ".only"));
    RequireMatches(entry.except, ids, StrCat(path, ".except"));
    RequireMatches(entry.severity.keys, ids, StrCat(path, ".severity"));
    std::erase_if(checks, [&](const ReadCheck& check) {
      return (!entry.only.empty() && !MatchesAny(entry.only, check.check.id())) ||
             MatchesAny(entry.except, check.check.id());
    });
    for (ReadCheck& check : checks) {
      const YamlNode* severity = entry.severity.Find(check.check.id());
      if (severity != nullptr) check.check.set_severity(severity->text);
    }
    return checks;
  }

  // A misspelt exception would take in what it was to leave out.
  void RequireMatches(const std::vector<YamlNode>& patterns, const std::vector<std::string>& ids,
                      const std::string& path) {
    for (const YamlNode& pattern : patterns) {
      const bool any = std::any_of(ids.begin(), ids.end(), [&](const std::string& id) {
        return ::fnmatch(pattern.text.c_str(), id.c_str(), 0) == 0;
      });
      if (any) continue;
      problems_->Error(pattern.place, path,
                       StrCat("the included file has no check \"", Shorten(pattern.text, 100), "\"",
                              DidYouMean(pattern.text, ids)));
    }
  }

  void AddChecks(const std::vector<ReadCheck>& checks, Pack* pack) {
    std::map<std::string, Place> seen;
    for (const ReadCheck& read : checks) {
      const auto [first, is_new] = seen.emplace(read.check.id(), read.place);
      if (!is_new && !read.check.id().empty()) {
        problems_->Error(read.place, read.check.id(),
                         StrCat("another check has this id: ", first->second.ToString()));
        continue;
      }
      *pack->parameters.add_checks() = read.check;
      pack->places.push_back(read.place);
    }
  }

  // What remains is of the pack as a whole.
  void Validate(const PackFile& file, const Place& top, const Pack& pack) {
    if (pack.parameters.ByteSizeLong() > kMaxPackBytes) {
      problems_->Error(top, "", StrCat("more than ", kMaxPackBytes >> 20, " MiB in all"));
      return;
    }
    const absl::Status valid = ValidateChecks(
        pack.parameters, [&](std::string_view name) { return options_.modules.Find(name); });
    if (valid.ok()) return;
    std::string_view message = ToStd(valid.message());
    if (message.starts_with("pack: ")) {
      message.remove_prefix(sizeof "pack: " - 1);
      problems_->Error(file.id.place, "id", message);
    } else {
      problems_->Error(message.starts_with("title")     ? file.title.place
                       : message.starts_with("version") ? file.version.place
                                                        : top,
                       "", message);
    }
  }

  const PackFileSource& source_;
  const std::string& directory_;
  const PackOptions& options_;
  std::map<std::string, bool>* const set_used_;
  Problems* const problems_;
  ExpansionBudget budget_;
  size_t files_ = 0;
  // Files that are being read, the top one first.
  std::vector<std::string> stack_;
};

}  // namespace

std::optional<Pack> LoadPackFrom(const PackFileSource& source, const std::string& directory,
                                 const std::string& name, const PackOptions& options,
                                 std::map<std::string, bool>* set_used, Problems* problems) {
  return Loader(source, directory, options, set_used, problems).Load(name);
}

}  // namespace dragnet::console
