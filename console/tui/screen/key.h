// What was pressed. Plain values.
#pragma once

#include <string>

namespace dragnet::console::tui {

struct Key {
  enum class Code {
    // `character` was typed.
    kCharacter,
    kEnter,
    kEscape,
    kTab,
    kBackTab,
    kBackspace,
    kDelete,
    kInsert,
    kUp,
    kDown,
    kLeft,
    kRight,
    kHome,
    kEnd,
    kPageUp,
    kPageDown,
    kFunction,
    // Control and a letter: `character` is that letter, lower case.
    kControl,
    // Alt (or Escape before it) and a character.
    kAlt,
    kMouse,
    kUnknown,
  };
  Code code = Code::kUnknown;
  char32_t character = 0;
  // Of kFunction: 1 to 12.
  int number = 0;
  // Of kMouse: where on the screen, and what.
  int x = 0;
  int y = 0;
  enum class Mouse { kNone, kClick, kDoubleClick, kWheelUp, kWheelDown } mouse = Mouse::kNone;

  bool Is(char32_t c) const { return code == Code::kCharacter && character == c; }
  bool IsControl(char32_t c) const { return code == Code::kControl && character == c; }
};

// For the line of keys at the bottom: "F", "Filter".
struct KeyHint {
  std::string key;
  std::string what;
};

}  // namespace dragnet::console::tui
