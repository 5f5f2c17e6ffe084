// One line that is typed into, with the keys of readline: Ctrl-A/E/B/F/K/U/W/Y,
// Alt-B/F/D, history on the arrows, completion on Tab. Not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"

namespace dragnet::console::tui {

class TextInput {
 public:
  std::string text() const;
  void SetText(std::string_view text);
  bool empty() const { return characters_.empty(); }
  // Shows a dot for each character.
  void set_secret(bool secret);
  // So that a secret isn't left behind in memory.
  void Wipe();

  // Words that may stand where the cursor is: whole words, in the order in which
  // they are shown. `before` is the text up to the cursor; `start` is set to where the
  // word begins that is to be replaced, in bytes of `before`.
  using Complete = std::function<std::vector<std::string>(std::string_view before, size_t* start)>;
  void set_complete(Complete complete) { complete_ = std::move(complete); }
  // Whether a word that is complete is followed by a space: in a line of words, not
  // where the line is one value.
  void set_space_after_word(bool space) { space_after_word_ = space; }
  // What Tab found when it was more than one; for the view to show. Cleared by the
  // next key.
  const std::vector<std::string>& candidates() const { return candidates_; }

  // Oldest first.
  void set_history(std::vector<std::string> history);
  const std::vector<std::string>& history() const { return history_; }
  void AddToHistory(const std::string& line);

  // False for Enter, Escape, and keys that mean nothing in a line.
  bool OnKey(const Key& key);
  // Draws on the first row; remembers where the cursor is.
  void Draw(const Canvas& canvas, Style style) const;
  // On the surface, as drawn last.
  Point cursor() const { return cursor_on_surface_; }

 private:
  bool OnControl(char32_t letter);
  bool OnAlt(char32_t letter);
  void Insert(char32_t character);
  void Erase(size_t from, size_t to, bool keep);
  size_t WordLeft() const;
  size_t WordRight() const;
  void Recall(int direction);
  bool DoComplete();
  std::string Utf8(size_t from, size_t to) const;

  std::vector<char32_t> characters_;
  size_t position_ = 0;
  bool secret_ = false;
  std::vector<char32_t> killed_;
  Complete complete_;
  bool space_after_word_ = true;
  std::vector<std::string> candidates_;
  std::vector<std::string> history_;
  // Index into history_; its size: the line that is being typed.
  size_t recalled_ = 0;
  std::string typed_;
  mutable Point cursor_on_surface_;
};

}  // namespace dragnet::console::tui
