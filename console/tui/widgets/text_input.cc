#include "console/tui/widgets/text_input.h"

#include <string.h>

#include <algorithm>

#include "core/text.h"

namespace dragnet::console::tui {
namespace {

constexpr size_t kMostCharacters = 64 * 1024;
constexpr size_t kMostHistory = 1000;
constexpr size_t kMostSecret = 4096;

std::vector<char32_t> FromUtf8(std::string_view raw) {
  const std::u32string characters = ToUtf32(raw);
  return {characters.begin(), characters.end()};
}

bool IsWordCharacter(char32_t c) { return c != U' ' && c != U'/' && c != U',' && c != U'='; }

std::string CommonBeginning(const std::vector<std::string>& words) {
  std::string common = words.front();
  for (const std::string& word : words) {
    const auto [a, b] = std::mismatch(common.begin(), common.end(), word.begin(), word.end());
    common.erase(a, common.end());
  }
  return common;
}

}  // namespace

std::string TextInput::Utf8(size_t from, size_t to) const {
  std::string text;
  // Of a secret there is one copy, on the heap, that is moved on and then wiped.
  if (secret_) text.reserve(kMostSecret);
  for (size_t i = from; i < to; ++i) AppendUtf8(characters_[i], &text);
  return text;
}

void TextInput::set_secret(bool secret) {
  secret_ = secret;
  if (!secret_) return;
  // So that nothing is copied while it is typed.
  characters_.reserve(kMostSecret);
  killed_.reserve(kMostSecret);
}

void TextInput::Wipe() {
  for (std::vector<char32_t>* const each : {&characters_, &killed_}) {
    each->resize(each->capacity());
    ::explicit_bzero(each->data(), each->size() * sizeof(char32_t));
    each->clear();
  }
  position_ = 0;
}

std::string TextInput::text() const { return Utf8(0, characters_.size()); }

void TextInput::SetText(std::string_view text) {
  characters_ = FromUtf8(text.substr(0, kMostCharacters));
  position_ = characters_.size();
  candidates_.clear();
}

void TextInput::set_history(std::vector<std::string> history) {
  history_ = std::move(history);
  recalled_ = history_.size();
}

void TextInput::AddToHistory(const std::string& line) {
  if (line.empty()) return;
  std::erase(history_, line);
  history_.push_back(line);
  if (history_.size() > kMostHistory) history_.erase(history_.begin());
  recalled_ = history_.size();
}

void TextInput::Insert(char32_t character) {
  if (characters_.size() >= kMostCharacters) return;
  characters_.insert(characters_.begin() + static_cast<std::ptrdiff_t>(position_), character);
  ++position_;
}

void TextInput::Erase(size_t from, size_t to, bool keep) {
  const auto begin = characters_.begin() + static_cast<std::ptrdiff_t>(from);
  const auto end = characters_.begin() + static_cast<std::ptrdiff_t>(to);
  if (keep && from < to) killed_.assign(begin, end);
  characters_.erase(begin, end);
  position_ = from;
}

size_t TextInput::WordLeft() const {
  size_t at = position_;
  while (at > 0 && !IsWordCharacter(characters_[at - 1])) --at;
  while (at > 0 && IsWordCharacter(characters_[at - 1])) --at;
  return at;
}

size_t TextInput::WordRight() const {
  size_t at = position_;
  while (at < characters_.size() && !IsWordCharacter(characters_[at])) ++at;
  while (at < characters_.size() && IsWordCharacter(characters_[at])) ++at;
  return at;
}

void TextInput::Recall(int direction) {
  if (direction < 0 ? recalled_ == 0 : recalled_ >= history_.size()) return;
  if (recalled_ == history_.size()) typed_ = text();
  recalled_ = direction < 0 ? recalled_ - 1 : recalled_ + 1;
  SetText(recalled_ == history_.size() ? typed_ : history_[recalled_]);
}

bool TextInput::DoComplete() {
  if (complete_ == nullptr) return false;
  const std::string before = Utf8(0, position_);
  size_t start = before.size();
  std::vector<std::string> words = complete_(before, &start);
  if (words.empty() || start > before.size()) return true;
  const std::string_view typed = std::string_view(before).substr(start);
  std::string replacement = CommonBeginning(words);
  // Nothing to add: then say which there are.
  if (words.size() > 1) candidates_ = words;
  if (space_after_word_ && words.size() == 1 && !replacement.ends_with('/') &&
      !replacement.ends_with('='))
    replacement += ' ';
  if (replacement.size() < typed.size()) return true;
  const std::string after = Utf8(position_, characters_.size());
  std::vector<std::string> shown = std::move(candidates_);
  SetText(before.substr(0, start) + replacement);
  position_ = characters_.size();
  for (const char32_t c : FromUtf8(after)) characters_.push_back(c);
  candidates_ = std::move(shown);
  return true;
}

bool TextInput::OnControl(char32_t letter) {
  switch (letter) {
    case U'a':
      position_ = 0;
      return true;
    case U'e':
      position_ = characters_.size();
      return true;
    case U'b':
      if (position_ > 0) --position_;
      return true;
    case U'f':
      if (position_ < characters_.size()) ++position_;
      return true;
    case U'd':
      if (position_ < characters_.size()) Erase(position_, position_ + 1, false);
      return true;
    case U'k':
      Erase(position_, characters_.size(), true);
      return true;
    case U'u':
      Erase(0, position_, true);
      return true;
    case U'w':
      Erase(WordLeft(), position_, true);
      return true;
    case U'y':
      for (const char32_t c : std::vector<char32_t>(killed_)) Insert(c);
      return true;
    case U'p':
      Recall(-1);
      return true;
    case U'n':
      Recall(1);
      return true;
    default:
      return false;
  }
}

bool TextInput::OnAlt(char32_t letter) {
  switch (letter) {
    case U'b':
      position_ = WordLeft();
      return true;
    case U'f':
      position_ = WordRight();
      return true;
    case U'd':
      Erase(position_, WordRight(), true);
      return true;
    default:
      return false;
  }
}

bool TextInput::OnKey(const Key& key) {
  if (key.code != Key::Code::kTab) candidates_.clear();
  switch (key.code) {
    case Key::Code::kCharacter:
      Insert(key.character);
      return true;
    case Key::Code::kBackspace:
      if (position_ > 0) Erase(position_ - 1, position_, false);
      return true;
    case Key::Code::kDelete:
      if (position_ < characters_.size()) Erase(position_, position_ + 1, false);
      return true;
    case Key::Code::kLeft:
      if (position_ > 0) --position_;
      return true;
    case Key::Code::kRight:
      if (position_ < characters_.size()) ++position_;
      return true;
    case Key::Code::kHome:
      position_ = 0;
      return true;
    case Key::Code::kEnd:
      position_ = characters_.size();
      return true;
    case Key::Code::kUp:
      if (history_.empty()) return false;
      Recall(-1);
      return true;
    case Key::Code::kDown:
      if (history_.empty()) return false;
      Recall(1);
      return true;
    case Key::Code::kTab:
      return DoComplete();
    case Key::Code::kControl:
      return OnControl(key.character);
    case Key::Code::kAlt:
      return OnAlt(key.character);
    default:
      return false;
  }
}

void TextInput::Draw(const Canvas& canvas, Style style) const {
  canvas.Top(1).Fill(style);
  if (canvas.width() <= 0) return;
  // Scrolls so that the cursor is always seen.
  size_t first = 0;
  const auto room = static_cast<size_t>(canvas.width());
  const auto width_from = [&](size_t from) {
    return secret_ ? position_ - from : static_cast<size_t>(WidthOnScreen(Utf8(from, position_)));
  };
  if (position_ >= room) first = position_ - room + 1;
  while (first < position_ && width_from(first) + 1 > room) ++first;
  std::string shown;
  if (secret_) {
    for (size_t i = first; i < characters_.size(); ++i) shown += "•";
  } else {
    shown = Utf8(first, characters_.size());
  }
  canvas.Put(0, 0, shown, style);
  cursor_on_surface_ = canvas.OnSurface({static_cast<int>(width_from(first)), 0});
}

}  // namespace dragnet::console::tui
