#include "console/tui/views/module_list.h"

#include <algorithm>
#include <utility>

#include "core/strings.h"
#include "modules/weights.h"

namespace dragnet::console::tui {
namespace {

constexpr int kWide = 110;

}  // namespace

ModuleList::ModuleList(const ModuleCatalog& modules, Hooks hooks)
    : modules_(modules), hooks_(std::move(hooks)) {
  for (const Module* module : modules_.modules) {
    const absl::StatusOr<Documentation> documentation = modules_.DocumentationOf(*module);
    introductions_.push_back(documentation.ok() ? documentation->Introduction()
                                                : std::string(documentation.status().message()));
  }
  table_.SetColumns({{.title = "KIND", .width = 10},
                     {.title = "NAME", .width = 14, .weight = 1},
                     {.title = "WHAT", .width = 20, .weight = 3}});
  table_.set_cells([this](size_t row, size_t column) -> TableCell {
    const Row& at = rows_[row];
    switch (column) {
      case 0:
        return {at.kind == Kind::kUnfinished ? "unfinished"
                : at.kind == Kind::kModule   ? "module"
                                             : "template",
                kMuted};
      case 1:
        return {at.name, kBold};
      default:
        return {at.summary, at.usable ? kNormal : kError};
    }
  });
  Arrange();
}

void ModuleList::Arrange() {
  rows_.clear();
  for (size_t i = 0; i < unfinished_.size(); ++i)
    rows_.push_back({Kind::kUnfinished, i, "go on", unfinished_[i]});
  for (size_t i = 0; i < modules_.modules.size(); ++i) {
    const ModuleManifest& manifest = modules_.modules[i]->manifest();
    // Checks come in packs, and packs from files: `dragnet sweep add`.
    // What changes the agent has commands that ask for more.
    if (manifest.name == kCheckModule || manifest.run_by_monitor) continue;
    rows_.push_back({Kind::kModule, i, std::string(manifest.name), std::string(manifest.summary)});
  }
  for (size_t i = 0; i < templates_.size(); ++i)
    rows_.push_back(
        {Kind::kTemplate, i, templates_[i].name, templates_[i].summary, templates_[i].readable});
  table_.SetCount(rows_.size());
}

void ModuleList::SetUnfinished(const std::vector<Draft>& drafts) {
  unfinished_.clear();
  for (const Draft& draft : drafts) unfinished_.push_back(CommandOf(draft));
  Arrange();
}

void ModuleList::SetTemplates(std::vector<TemplateEntry> templates) {
  templates_ = std::move(templates);
  Arrange();
}

std::string ModuleList::About(const Row& row) const {
  switch (row.kind) {
    case Kind::kModule:
      return introductions_[row.index];
    case Kind::kUnfinished:
      return StrCat(row.summary, "\n\nWas being filled in when something else was begun.");
    case Kind::kTemplate:
      return StrCat(row.summary, "\n\n", templates_[row.index].path);
  }
  return "";
}

void ModuleList::Draw(const Canvas& canvas) {
  if (rows_.empty()) return;
  about_.SetText(About(rows_[table_.selected()]));
  const int rows = static_cast<int>(rows_.size()) + 1;
  if (canvas.width() >= kWide) {
    const int left = canvas.width() / 2;
    table_.Draw(canvas.Part({0, 0, left - 2, canvas.height()}));
    canvas.Part({left - 1, 0, 1, canvas.height()}).Fill(kMuted, U'│');
    about_.Draw(canvas.Part({left + 1, 0, canvas.width() - left - 1, canvas.height()}));
    return;
  }
  const int top = std::min(rows, std::max(canvas.height() * 3 / 5, 4));
  table_.Draw(canvas.Top(top));
  canvas.Part({0, top, canvas.width(), 1}).Fill(kMuted, U'─');
  about_.Draw(canvas.Below(top + 1));
}

bool ModuleList::OnKey(const Key& key) {
  if (rows_.empty()) return false;
  const Row row = rows_[table_.selected()];
  if (key.code == Key::Code::kEnter ||
      (key.code == Key::Code::kMouse && key.mouse == Key::Mouse::kDoubleClick)) {
    switch (row.kind) {
      case Kind::kUnfinished:
        hooks_.go_on(row.index);
        return true;
      case Kind::kModule:
        hooks_.module(row.name);
        return true;
      case Kind::kTemplate:
        hooks_.load(templates_[row.index].path);
        return true;
    }
  }
  if (row.kind == Kind::kUnfinished && (key.Is(U'd') || key.code == Key::Code::kDelete)) {
    hooks_.drop(row.index);
    return true;
  }
  // The introduction scrolls while the list stays.
  if (key.Is(U'J') || key.Is(U'K') || key.Is(U' ')) {
    Key scroll = key;
    if (!key.Is(U' ')) {
      scroll.code = key.Is(U'J') ? Key::Code::kDown : Key::Code::kUp;
    }
    return about_.OnKey(scroll);
  }
  return table_.OnKey(key);
}

std::vector<KeyHint> ModuleList::Keys() const {
  std::vector<KeyHint> keys = {{"Enter", "Begin"}, {"Space", "Read on"}};
  if (!rows_.empty() && rows_[table_.selected()].kind == Kind::kUnfinished)
    keys.push_back({"d", "Drop"});
  keys.push_back({":", "One line"});
  return keys;
}

}  // namespace dragnet::console::tui
