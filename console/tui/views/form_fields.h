// The lines of the form: one for each value of each field of a draft's operation,
// and of what is said about the whole action. Changes the draft as one types. Not
// thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "console/tui/command/draft.h"
#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"
#include "console/tui/widgets/text_input.h"

namespace dragnet::console::tui {

class FormFields {
 public:
  // `changed` comes after every change; `now` is what relative times count from.
  FormFields(std::function<void()> changed, std::function<absl::Time()> now)
      : changed_(std::move(changed)), now_(std::move(now)) {}

  // Null: there is nothing. The draft must outlive its being shown; the cursor is
  // put on the first field of the operation.
  void Show(Draft* draft, size_t operation);

  void Draw(const Canvas& canvas);
  // False: the key means nothing here. While a value is typed, what ends that is
  // the end of it first.
  bool OnKey(const Key& key);
  bool editing() const { return editing_; }
  std::optional<Point> Cursor() const;
  std::vector<KeyHint> Keys() const;
  // What Tab found while a value is typed.
  const std::vector<std::string>& candidates() const { return input_.candidates(); }

  // Takes what is being typed as it is.
  void FinishEditing();
  // To the field of that flag ("--path"); false: there is none here.
  bool SelectFlag(std::string_view flag);
  // To the next field whose name or documentation has the words.
  bool Search(std::string_view words);

  // About the selected field: its flag and value, and everything that is known.
  std::string HelpTitle() const;
  std::string Help() const;
  // A mistake that can be seen without the module; "" for none.
  std::string FirstError() const;

 private:
  struct Line {
    enum class Kind { kHeading, kOption, kField, kNote } kind = Kind::kHeading;
    // Into AllLaunchOptions() or the form's fields.
    size_t index = 0;
    // Which value of the field; values.size() of none: the place for the first.
    size_t value = 0;
    std::string text = {};
    std::string error = {};
  };

  void Layout();
  void AddOptions(LaunchOptionGroup group);
  void AddFields();
  const Line* selected() const;
  bool Selectable(const Line& line) const {
    return line.kind == Line::Kind::kOption || line.kind == Line::Kind::kField;
  }
  void Move(int by);
  void MoveTo(size_t line, int direction);

  const FormField* field() const;
  const LaunchOption* option() const;
  // Of the selected line; empty where there is none.
  std::string Value() const;
  void SetValue(const std::string& text);
  void Changed();

  void BeginEditing();
  bool OnEditKey(const Key& key);
  void GoOn(int by);
  void AddValue();
  void RemoveValue();
  // Next choice, or the switch.
  bool Cycle();

  void DrawLine(const Canvas& canvas, int y, const Line& line, bool is_selected);
  std::string NameOf(const Line& line) const;
  TextInput::Complete CompletionOf(const Line& line) const;

  const std::function<void()> changed_;
  const std::function<absl::Time()> now_;
  Draft* draft_ = nullptr;
  size_t operation_ = 0;
  std::vector<Line> lines_;
  size_t at_ = 0;
  size_t top_ = 0;
  int page_ = 1;
  bool editing_ = false;
  // What the value was before it was edited.
  std::string before_;
  TextInput input_;
  bool cursor_drawn_ = false;
};

}  // namespace dragnet::console::tui
