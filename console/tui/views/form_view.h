// The screen New: choose a module or a template, fill in the form, launch. Keeps what
// was typed for as long as the console runs. On the loop's thread only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "console/tui/command/draft.h"
#include "console/tui/views/form_fields.h"
#include "console/tui/views/launch_flow.h"
#include "console/tui/views/module_list.h"
#include "console/tui/views/views.h"
#include "console/tui/widgets/text_view.h"

namespace dragnet::console::tui {

class FormView : public FormScreen {
 public:
  explicit FormView(Shell& shell);

  std::string Title() const override;
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::optional<Point> Cursor() const override {
    return draft_.has_value() ? fields_.Cursor() : std::nullopt;
  }
  bool TakesText() const override { return draft_.has_value() && fields_.editing(); }
  std::vector<KeyHint> Keys() const override;
  std::string Help() const override;
  void OnShown() override {
    shown_ = true;
    ListTemplatesAgain();
    CountAgain();
  }
  void OnHidden() override { shown_ = false; }

  absl::Status Open(const std::string& line, const std::string& target) override;
  void Load(const std::string& name) override;
  void Save(const std::string& name) override;
  const std::vector<std::string>& template_names() const override { return template_names_; }

 private:
  void Begin(const std::string& module);
  void GoOn(size_t index);
  void Show(Draft draft);
  void PutAside();
  void ShowOperation(size_t index);
  void LoadFile(const std::string& path);
  void WriteTemplate(const std::string& path, bool overwrite);
  void ListTemplatesAgain();

  void OnChanged();
  void CheckSoon();
  void Check();
  void CheckReach();
  // Agents came or went, which in a large fleet they do all the time.
  void CountAgain();
  std::string Target() const { return draft_->options.target.value_or("true"); }

  void Launch();
  void Preview();
  bool OnFormKey(const Key& key);
  void DrawForm(const Canvas& canvas);
  void DrawFooter(const Canvas& canvas);
  void DrawHelp(const Canvas& canvas);

  Shell& shell_;
  Lifetime lifetime_;
  LaunchFlow flow_;
  ModuleList list_;
  FormFields fields_;
  TextView help_;
  TextView command_;
  // Nothing: the list is shown.
  std::optional<Draft> draft_;
  size_t operation_ = 0;
  // It was filled in by a line: Enter launches, as long as no other key came.
  bool from_line_ = false;
  std::vector<Draft> unfinished_;
  // For agents that were chosen before a module was.
  std::string preset_target_;
  std::vector<std::string> template_names_;

  // Counts changes: answers about an older form are dropped.
  size_t version_ = 0;
  bool checking_ = false;
  absl::Status check_;
  std::string reach_;
  bool reach_is_error_ = false;
  bool shown_ = false;
  bool counting_soon_ = false;
};

}  // namespace dragnet::console::tui
