#include "console/tui/command/templates.h"

#include <dirent.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_join.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr size_t kMostTemplates = 500;
constexpr std::string_view kSuffix = ".json";

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::string FolderIn(const std::string& directory) { return StrCat(directory, "/templates"); }

std::string SummaryOf(const Draft& draft) {
  std::vector<std::string> modules;
  for (const OperationDraft& operation : draft.operations)
    modules.push_back(operation.form->name());
  const std::string names = absl::StrJoin(modules, ", ");
  return draft.options.name.has_value() ? StrCat(names, ": ", *draft.options.name) : names;
}

}  // namespace

std::vector<TemplateEntry> ListTemplates(const std::string& directory,
                                         const ModuleCatalog& modules) {
  std::vector<TemplateEntry> entries;
  if (directory.empty()) return entries;
  const std::unique_ptr<DIR, DirectoryCloser> open(::opendir(FolderIn(directory).c_str()));
  if (open == nullptr) return entries;
  while (entries.size() < kMostTemplates) {
    const dirent* file = ::readdir(open.get());
    if (file == nullptr) break;
    const std::string_view name(file->d_name);
    if (!name.ends_with(kSuffix) || name.starts_with('.')) continue;
    TemplateEntry entry;
    entry.name = name.substr(0, name.size() - kSuffix.size());
    entry.path = StrCat(FolderIn(directory), "/", name);
    const absl::StatusOr<LoadedTemplate> loaded = LoadTemplate(entry.path, modules);
    entry.readable = loaded.ok();
    entry.summary = loaded.ok() ? SummaryOf(loaded->draft) : std::string(loaded.status().message());
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

absl::StatusOr<std::string> TemplatePath(const std::string& directory, const std::string& name) {
  if (name.empty()) return absl::InvalidArgumentError("a template needs a name");
  if (name.find('/') != std::string::npos || name.ends_with(kSuffix)) return ExpandHome(name);
  if (name.starts_with('.')) {
    return absl::InvalidArgumentError(
        StrCat(name, ": begins with a dot, and would not be listed: give another name"));
  }
  if (directory.empty()) {
    return absl::FailedPreconditionError(
        StrCat(name, ": there is no place for templates (HOME is not set): give a path"));
  }
  return StrCat(FolderIn(directory), "/", name, kSuffix);
}

absl::StatusOr<LoadedTemplate> LoadTemplate(const std::string& path, const ModuleCatalog& modules) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string json, ReadLocalFile(path, kMaxSmallFile));
  LoadedTemplate loaded;
  absl::StatusOr<Draft> draft = DraftFromTemplate(json, path, modules, &loaded.notices);
  if (!draft.ok()) return Annotate(draft.status(), path);
  loaded.draft = *std::move(draft);
  return loaded;
}

absl::Status SaveTemplate(const Draft& draft, const std::string& path, bool overwrite,
                          absl::Time now, const ModuleCatalog& modules) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string json, TemplateOf(draft, now, modules));
  const size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0)
    DRAGNET_RETURN_IF_ERROR(MakeDirectories(path.substr(0, slash), 0700));
  return overwrite ? WriteFileAtomically(path, json, 0644) : WriteNewFile(path, json, 0644);
}

}  // namespace dragnet::console::tui
