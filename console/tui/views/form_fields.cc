#include "console/tui/views/form_fields.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "console/tui/command/completion.h"
#include "console/tui/widgets/search.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

std::string Words(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

void FormFields::Show(Draft* draft, size_t operation) {
  draft_ = draft;
  operation_ = operation;
  editing_ = false;
  at_ = top_ = 0;
  Layout();
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (lines_[i].kind != Line::Kind::kField) continue;
    at_ = i;
    break;
  }
}

// ---- which lines there are

void FormFields::AddOptions(LaunchOptionGroup group) {
  lines_.push_back({.kind = Line::Kind::kHeading, .text = std::string(TitleOf(group))});
  const std::span<const LaunchOption> options = AllLaunchOptions();
  for (size_t i = 0; i < options.size(); ++i) {
    if (options[i].group != group) continue;
    Line line{.kind = Line::Kind::kOption, .index = i};
    const std::optional<std::string>& value = draft_->options.*options[i].value;
    if (value.has_value()) line.error = Words(CheckOption(options[i], *value));
    lines_.push_back(std::move(line));
  }
}

void FormFields::AddFields() {
  const OperationDraft& operation = draft_->operations[operation_];
  const std::vector<FormField>& fields = operation.form->form.fields();
  lines_.push_back({.kind = Line::Kind::kHeading, .text = "What to look for"});
  for (size_t i = 0; i < fields.size(); ++i) {
    const size_t count = std::max<size_t>(operation.values[i].size(), 1);
    for (size_t k = 0; k < count; ++k) {
      Line line{.kind = Line::Kind::kField, .index = i, .value = k};
      if (k < operation.values[i].size() && !operation.values[i][k].empty())
        line.error = Words(CheckValue(fields[i], operation.values[i][k], now_()));
      lines_.push_back(std::move(line));
    }
  }
  const std::string rest = operation.NotShown();
  if (rest.empty()) return;
  lines_.push_back(
      {.kind = Line::Kind::kHeading, .text = "From the template, not to be changed here"});
  for (const auto text : absl::StrSplit(rest, '\n', absl::SkipEmpty()))
    lines_.push_back({.kind = Line::Kind::kNote, .text = std::string(text)});
}

void FormFields::Layout() {
  lines_.clear();
  if (draft_ == nullptr) return;
  AddOptions(LaunchOptionGroup::kHosts);
  AddFields();
  AddOptions(LaunchOptionGroup::kDispatch);
  AddOptions(LaunchOptionGroup::kRecord);
  AddOptions(LaunchOptionGroup::kLimits);
  at_ = std::min(at_, lines_.size() - 1);
}

const FormFields::Line* FormFields::selected() const {
  return at_ < lines_.size() && Selectable(lines_[at_]) ? &lines_[at_] : nullptr;
}

const FormField* FormFields::field() const {
  const Line* line = selected();
  if (line == nullptr || line->kind != Line::Kind::kField) return nullptr;
  return &draft_->operations[operation_].form->form.fields()[line->index];
}

const LaunchOption* FormFields::option() const {
  const Line* line = selected();
  if (line == nullptr || line->kind != Line::Kind::kOption) return nullptr;
  return &AllLaunchOptions()[line->index];
}

void FormFields::MoveTo(size_t line, int direction) {
  if (lines_.empty()) return;
  line = std::min(line, lines_.size() - 1);
  for (size_t i = line; i < lines_.size(); i += static_cast<size_t>(direction)) {
    if (Selectable(lines_[i])) {
      at_ = i;
      return;
    }
  }
}

void FormFields::Move(int by) {
  const auto target = static_cast<std::ptrdiff_t>(at_) + by;
  if (target < 0) {
    MoveTo(0, 1);
    top_ = 0;
  } else {
    MoveTo(static_cast<size_t>(target), by < 0 ? -1 : 1);
  }
  // Past the last one, or above the first: stays there.
  if (selected() == nullptr) MoveTo(at_, by < 0 ? 1 : -1);
}

bool FormFields::SelectFlag(std::string_view flag) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (!Selectable(lines_[i])) continue;
    const size_t old = std::exchange(at_, i);
    const FormField* found = field();
    const LaunchOption* launch = option();
    if ((found != nullptr && flag == "--" + found->flag) ||
        (launch != nullptr && flag == launch->flag))
      return true;
    at_ = old;
  }
  return false;
}

bool FormFields::Search(std::string_view words) {
  if (words.empty()) return false;
  const size_t old = at_;
  // Names first, then what is written about them.
  for (const bool in_text : {false, true}) {
    for (size_t step = 1; step <= lines_.size(); ++step) {
      at_ = (old + step) % lines_.size();
      if (selected() == nullptr) continue;
      if (ContainsIgnoringCase(HelpTitle(), words) ||
          (in_text && ContainsIgnoringCase(Help(), words)))
        return true;
    }
  }
  at_ = old;
  return false;
}

// ---- values

std::string FormFields::Value() const {
  const Line* line = selected();
  if (line == nullptr) return "";
  if (line->kind == Line::Kind::kOption)
    return (draft_->options.*AllLaunchOptions()[line->index].value).value_or("");
  const std::vector<std::string>& values = draft_->operations[operation_].values[line->index];
  return line->value < values.size() ? values[line->value] : "";
}

void FormFields::SetValue(const std::string& text) {
  const Line* line = selected();
  if (line == nullptr) return;
  if (line->kind == Line::Kind::kOption) {
    std::optional<std::string>& place = draft_->options.*AllLaunchOptions()[line->index].value;
    place = text.empty() ? std::nullopt : std::optional<std::string>(text);
  } else {
    std::vector<std::string>& values = draft_->operations[operation_].values[line->index];
    if (line->value < values.size()) {
      values[line->value] = text;
    } else if (!text.empty()) {
      values.push_back(text);
    }
    draft_->file.clear();
  }
  Changed();
}

void FormFields::Changed() {
  Layout();
  changed_();
}

void FormFields::BeginEditing() {
  const FormField* edited = field();
  if (selected() == nullptr || (edited != nullptr && edited->is_switch)) return;
  before_ = Value();
  input_.SetText(before_);
  input_.set_complete(CompletionOf(*selected()));
  input_.set_space_after_word(false);
  editing_ = true;
}

void FormFields::FinishEditing() {
  if (!editing_) return;
  editing_ = false;
  const FormField* edited = field();
  if (edited != nullptr && edited->from_file && ExpandHome(Value()) != Value())
    SetValue(ExpandHome(Value()));
  // A value of several that was left empty is none.
  if (edited != nullptr && Value().empty()) RemoveValue();
}

void FormFields::AddValue() {
  const FormField* edited = field();
  if (edited == nullptr || !edited->repeated) return BeginEditing();
  const size_t index = lines_[at_].index;
  std::vector<std::string>& values = draft_->operations[operation_].values[index];
  if (!values.empty()) {
    const size_t place = lines_[at_].value + 1;
    values.insert(values.begin() + static_cast<std::ptrdiff_t>(place), "");
    ++at_;
    Layout();
  }
  BeginEditing();
}

void FormFields::RemoveValue() {
  const Line* line = selected();
  if (line == nullptr) return;
  if (line->kind == Line::Kind::kOption) return SetValue("");
  std::vector<std::string>& values = draft_->operations[operation_].values[line->index];
  if (line->value >= values.size()) return;
  values.erase(values.begin() + static_cast<std::ptrdiff_t>(line->value));
  if (line->value > 0 && line->value >= values.size()) --at_;
  draft_->file.clear();
  Changed();
}

bool FormFields::Cycle() {
  const FormField* edited = field();
  if (edited == nullptr) return false;
  if (edited->is_switch) {
    Value().empty() ? SetValue("true") : RemoveValue();
    return true;
  }
  if (edited->choices.empty()) return false;
  const auto now = std::find(edited->choices.begin(), edited->choices.end(), Value());
  if (now == edited->choices.end()) {
    SetValue(edited->choices.front());
  } else if (now + 1 == edited->choices.end()) {
    RemoveValue();
  } else {
    SetValue(*(now + 1));
  }
  return true;
}

TextInput::Complete FormFields::CompletionOf(const Line& line) const {
  if (line.kind == Line::Kind::kOption) {
    if (AllLaunchOptions()[line.index].value != &LaunchOptions::target) return nullptr;
    return [](std::string_view before, size_t* start) {
      *start = 0;
      return CompleteTarget(before);
    };
  }
  const FormField& field = draft_->operations[operation_].form->form.fields()[line.index];
  if (field.from_file || field.value_name == "PATH") {
    return [](std::string_view before, size_t* start) {
      *start = 0;
      return CompletePath(before);
    };
  }
  if (field.choices.empty()) return nullptr;
  return [choices = field.choices](std::string_view before, size_t* start) {
    *start = 0;
    std::vector<std::string> words = choices;
    std::erase_if(words, [&](const std::string& word) { return !word.starts_with(before); });
    return words;
  };
}

std::string FormFields::FirstError() const {
  for (const Line& line : lines_)
    if (!line.error.empty()) return StrCat(NameOf(line), ": ", line.error);
  return "";
}

// ---- keys

// To the next line while one types: the value there is typed next.
void FormFields::GoOn(int by) {
  FinishEditing();
  const size_t old = at_;
  Move(by);
  if (at_ != old) BeginEditing();
}

bool FormFields::OnEditKey(const Key& key) {
  switch (key.code) {
    case Key::Code::kEnter:
      FinishEditing();
      return true;
    case Key::Code::kEscape:
      SetValue(before_);
      FinishEditing();
      return true;
    case Key::Code::kUp:
    case Key::Code::kBackTab:
      GoOn(-1);
      return true;
    case Key::Code::kDown:
      GoOn(1);
      return true;
    case Key::Code::kTab:
      if (!input_.OnKey(key)) {
        GoOn(1);
        return true;
      }
      break;
    default:
      if (!input_.OnKey(key)) return false;
  }
  if (input_.text() != Value()) SetValue(input_.text());
  return true;
}

bool FormFields::OnKey(const Key& key) {
  if (draft_ == nullptr) return false;
  if (editing_) return OnEditKey(key);
  switch (key.code) {
    case Key::Code::kUp:
      return Move(-1), true;
    case Key::Code::kDown:
      return Move(1), true;
    case Key::Code::kPageUp:
      return Move(-page_), true;
    case Key::Code::kPageDown:
      return Move(page_), true;
    case Key::Code::kHome:
      return Move(-static_cast<int>(lines_.size())), true;
    case Key::Code::kEnd:
      return MoveTo(lines_.size(), -1), true;
    case Key::Code::kDelete:
      return RemoveValue(), true;
    case Key::Code::kInsert:
      return AddValue(), true;
    case Key::Code::kMouse:
      if (key.mouse == Key::Mouse::kWheelUp) return Move(-3), true;
      if (key.mouse == Key::Mouse::kWheelDown) return Move(3), true;
      return false;
    case Key::Code::kEnter:
      if (field() == nullptr || !field()->is_switch) return BeginEditing(), true;
      return Cycle();
    case Key::Code::kCharacter:
      switch (key.character) {
        case U'k':
          return Move(-1), true;
        case U'j':
          return Move(1), true;
        case U'g':
          return Move(-static_cast<int>(lines_.size())), true;
        case U'G':
          return MoveTo(lines_.size(), -1), true;
        case U' ':
          if (!Cycle()) BeginEditing();
          return true;
        case U'a':
          return AddValue(), true;
        case U'd':
          return RemoveValue(), true;
        case U't':
          return SelectFlag("--target"), BeginEditing(), true;
        default:
          return false;
      }
    default:
      return false;
  }
}

}  // namespace dragnet::console::tui
