// Where a new action begins: what was left unfinished, the modules with what they
// are for, and the templates. Not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "console/form/module_catalog.h"
#include "console/tui/command/draft.h"
#include "console/tui/command/templates.h"
#include "console/tui/widgets/table_view.h"
#include "console/tui/widgets/text_view.h"

namespace dragnet::console::tui {

class ModuleList {
 public:
  struct Hooks {
    std::function<void(const std::string& module)> module;
    // Of `unfinished`.
    std::function<void(size_t index)> go_on;
    std::function<void(size_t index)> drop;
    std::function<void(const std::string& path)> load;
  };
  ModuleList(const ModuleCatalog& modules, Hooks hooks);

  void SetUnfinished(const std::vector<Draft>& drafts);
  void SetTemplates(std::vector<TemplateEntry> templates);

  void Draw(const Canvas& canvas);
  bool OnKey(const Key& key);
  std::vector<KeyHint> Keys() const;

 private:
  enum class Kind { kUnfinished, kModule, kTemplate };
  struct Row {
    Kind kind;
    size_t index;
    std::string name;
    std::string summary;
    bool usable = true;
  };
  void Arrange();
  std::string About(const Row& row) const;

  const ModuleCatalog& modules_;
  const Hooks hooks_;
  std::vector<std::string> unfinished_;
  std::vector<TemplateEntry> templates_;
  // By module, in the catalogue's order.
  std::vector<std::string> introductions_;
  std::vector<Row> rows_;
  TableView table_;
  TextView about_;
};

}  // namespace dragnet::console::tui
