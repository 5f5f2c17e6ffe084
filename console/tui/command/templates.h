// Templates as files: actions to be run again, one action.json each. Thread-safe:
// no state. All read or write files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/tui/command/draft.h"

namespace dragnet::console::tui {

struct TemplateEntry {
  // The file's name without ".json".
  std::string name;
  std::string path;
  // What it does, or why it can't be read; text from a file, which anyone may have
  // written.
  std::string summary;
  bool readable = false;
};

// Those in `directory`/templates, by name; at most 500.
std::vector<TemplateEntry> ListTemplates(const std::string& directory,
                                         const ModuleCatalog& modules);

// Where a template of this name is: in `directory`/templates, or, with a slash or
// ".json" in it, the file itself. InvalidArgument: no name, or nowhere to keep it.
absl::StatusOr<std::string> TemplatePath(const std::string& directory, const std::string& name);

struct LoadedTemplate {
  Draft draft;
  std::vector<std::string> notices;
};
absl::StatusOr<LoadedTemplate> LoadTemplate(const std::string& path, const ModuleCatalog& modules);

// AlreadyExists unless `overwrite`.
absl::Status SaveTemplate(const Draft& draft, const std::string& path, bool overwrite,
                          absl::Time now, const ModuleCatalog& modules);

}  // namespace dragnet::console::tui
