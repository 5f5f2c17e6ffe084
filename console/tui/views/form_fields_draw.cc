// FormFields: what is shown of it, and the help.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "console/tui/views/form_fields.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr int kNameColumn = 28;

}  // namespace

std::vector<KeyHint> FormFields::Keys() const {
  if (editing_) {
    std::vector<KeyHint> keys = {{"Enter", "Done"}, {"↓", "Next"}, {"Esc", "As before"}};
    if (selected() != nullptr && CompletionOf(*selected()) != nullptr)
      keys.push_back({"Tab", "Complete"});
    return keys;
  }
  const FormField* at = field();
  std::vector<KeyHint> keys;
  if (at != nullptr && at->is_switch) {
    keys.push_back({"Space", "Switch"});
  } else {
    keys.push_back({"Enter", "Edit"});
    if (at != nullptr && !at->choices.empty()) keys.push_back({"Space", "Choose"});
    if (at != nullptr && at->repeated) keys.push_back({"a", "Add"});
    if (!Value().empty()) keys.push_back({"d", "Remove"});
  }
  return keys;
}

// ---- what is shown

std::string FormFields::NameOf(const Line& line) const {
  if (line.kind == Line::Kind::kOption) return std::string(AllLaunchOptions()[line.index].flag);
  if (line.kind != Line::Kind::kField) return "";
  return StrCat("--", draft_->operations[operation_].form->form.fields()[line.index].flag);
}

std::string FormFields::HelpTitle() const {
  if (const LaunchOption* at = option(); at != nullptr)
    return StrCat(at->flag, " ", at->value_name);
  const FormField* at = field();
  if (at == nullptr) return "";
  return StrCat(at->short_flag.empty() ? "" : StrCat("-", at->short_flag, ", "), "--", at->flag,
                at->value_name.empty() ? "" : " ", at->value_name,
                at->repeated    ? "   (several)"
                : at->from_file ? "   (a file here)"
                                : "");
}

std::string FormFields::Help() const {
  if (const LaunchOption* at = option(); at != nullptr) {
    return StrCat(at->help,
                  at->default_text.empty() ? "" : StrCat("\nDefault: ", at->default_text, "."));
  }
  const FormField* at = field();
  if (at == nullptr) return "";
  std::string text = at->documentation;
  if (!at->choices.empty())
    StrAppend(&text, text.empty() ? "" : "\n", "One of: ", absl::StrJoin(at->choices, ", "), ".");
  if (at->from_file)
    StrAppend(&text, text.empty() ? "" : "\n", "The content of this file travels to the agents.");
  return text;
}

void FormFields::DrawLine(const Canvas& canvas, int y, const Line& line, bool is_selected) {
  if (line.kind == Line::Kind::kHeading) {
    canvas.Put(0, y, line.text, kTitle);
    return;
  }
  if (line.kind == Line::Kind::kNote) {
    canvas.Put(2, y, line.text, kMuted);
    return;
  }
  const auto styled = [&](Style style) { return is_selected ? Selected(style) : style; };
  if (is_selected) canvas.PutLine(y, "", Selected(kNormal));
  const bool is_option = line.kind == Line::Kind::kOption;
  const FormField* form_field =
      is_option ? nullptr : &draft_->operations[operation_].form->form.fields()[line.index];
  const std::string_view value_name = is_option ? AllLaunchOptions()[line.index].value_name
                                                : std::string_view(form_field->value_name);
  canvas.Put(0, y, is_selected ? "▸" : " ", styled(kKey));
  const int column = std::min(kNameColumn, canvas.width() / 2);
  if (line.value == 0) canvas.Put(2, y, NameOf(line), styled(kLabel), column - 3);
  const int room = canvas.width() - column;
  if (is_selected && editing_) {
    input_.Draw(canvas.Part({column, y, room, 1}), {Role::kInput});
    cursor_drawn_ = true;
    return;
  }
  std::string value;
  if (is_option) {
    value = (draft_->options.*AllLaunchOptions()[line.index].value).value_or("");
  } else if (const auto& values = draft_->operations[operation_].values[line.index];
             line.value < values.size()) {
    value = values[line.value];
  }
  if (form_field != nullptr && form_field->is_switch) {
    canvas.Put(column, y,
               value == "true" ? "[x] yes"
               : value.empty() ? "[ ]"
                               : "[-] no",
               styled(value.empty() ? kMuted : kBold));
  } else if (!value.empty()) {
    canvas.Put(column, y, value, styled(line.error.empty() ? kBold : kError), room);
  } else {
    std::string placeholder(value_name);
    if (is_option && !AllLaunchOptions()[line.index].default_text.empty())
      placeholder = AllLaunchOptions()[line.index].default_text;
    if (form_field != nullptr && !form_field->choices.empty())
      placeholder = absl::StrJoin(form_field->choices, " | ");
    canvas.Put(column, y, StrCat("(", placeholder, ")"), styled(kMuted), room);
  }
}

void FormFields::Draw(const Canvas& canvas) {
  cursor_drawn_ = false;
  page_ = std::max(canvas.height() - 1, 1);
  // What is wrong with a value is said below it, and takes a row of its own.
  const auto rows_of = [&](size_t i) { return lines_[i].error.empty() ? 1 : 2; };
  if (at_ < top_) top_ = at_;
  int needed = 0;
  for (size_t i = top_; i <= at_ && i < lines_.size(); ++i) needed += rows_of(i);
  while (needed > canvas.height() && top_ < at_) needed -= rows_of(top_++);
  // The heading above the first line of a group belongs to it.
  if (top_ == at_ && top_ > 0 && !Selectable(lines_[top_ - 1]) && canvas.height() > 2) --top_;
  int y = 0;
  for (size_t i = top_; i < lines_.size() && y < canvas.height(); ++i) {
    DrawLine(canvas, y++, lines_[i], i == at_);
    if (!lines_[i].error.empty()) {
      canvas.Put(4, y++, StrCat("✗ ", lines_[i].error), kError);
    }
  }
}

std::optional<Point> FormFields::Cursor() const {
  if (!editing_ || !cursor_drawn_) return std::nullopt;
  return input_.cursor();
}

}  // namespace dragnet::console::tui
