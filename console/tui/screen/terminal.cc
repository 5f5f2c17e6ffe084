#include "console/tui/screen/terminal.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <ncurses.h>

#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr int kEscapeDelayMilliseconds = 25;

// Pairs by role: foreground in 256 and in 8 colours. The background stays the
// terminal's own, dark or light, but for the bars.
struct Palette {
  Role role;
  short in_256;
  short in_8;
  short background_256;
  short background_8;
};
constexpr short kOwn = -1;
constexpr Palette kPalette[] = {
    {Role::kNormal, kOwn, kOwn, kOwn, kOwn},
    {Role::kMuted, 245, kOwn, kOwn, kOwn},
    {Role::kTitle, 39, COLOR_CYAN, kOwn, kOwn},
    {Role::kHeader, 255, COLOR_WHITE, 24, COLOR_BLUE},
    {Role::kKey, 39, COLOR_CYAN, kOwn, kOwn},
    {Role::kLabel, 74, COLOR_CYAN, kOwn, kOwn},
    {Role::kInput, 255, COLOR_WHITE, 238, COLOR_BLUE},
    {Role::kMatch, 16, COLOR_BLACK, 220, COLOR_YELLOW},
    {Role::kMarked, 220, COLOR_YELLOW, kOwn, kOwn},
    {Role::kWarning, 214, COLOR_YELLOW, kOwn, kOwn},
    {Role::kError, 203, COLOR_RED, kOwn, kOwn},
    {Role::kFound, 214, COLOR_YELLOW, kOwn, kOwn},
    {Role::kClean, 71, COLOR_GREEN, kOwn, kOwn},
    {Role::kIncomplete, 170, COLOR_MAGENTA, kOwn, kOwn},
    {Role::kFailed, 203, COLOR_RED, kOwn, kOwn},
    {Role::kRunning, 75, COLOR_BLUE, kOwn, kOwn},
    {Role::kWaiting, 245, kOwn, kOwn, kOwn},
};

Key KeyOf(Key::Code code) {
  Key key;
  key.code = code;
  return key;
}

Key FromCursesKey(wint_t code) {
  switch (code) {
    case KEY_UP:
      return KeyOf(Key::Code::kUp);
    case KEY_DOWN:
      return KeyOf(Key::Code::kDown);
    case KEY_LEFT:
      return KeyOf(Key::Code::kLeft);
    case KEY_RIGHT:
      return KeyOf(Key::Code::kRight);
    case KEY_HOME:
      return KeyOf(Key::Code::kHome);
    case KEY_END:
      return KeyOf(Key::Code::kEnd);
    case KEY_PPAGE:
      return KeyOf(Key::Code::kPageUp);
    case KEY_NPAGE:
      return KeyOf(Key::Code::kPageDown);
    case KEY_BTAB:
      return KeyOf(Key::Code::kBackTab);
    case KEY_BACKSPACE:
      return KeyOf(Key::Code::kBackspace);
    case KEY_DC:
      return KeyOf(Key::Code::kDelete);
    case KEY_IC:
      return KeyOf(Key::Code::kInsert);
    case KEY_ENTER:
      return KeyOf(Key::Code::kEnter);
    default:
      break;
  }
  if (code >= KEY_F(1) && code <= KEY_F(12)) {
    Key key = KeyOf(Key::Code::kFunction);
    key.number = static_cast<int>(code) - KEY_F0;
    return key;
  }
  return Key();
}

Key FromCharacter(wint_t c) {
  if (c == L'\r' || c == L'\n') return KeyOf(Key::Code::kEnter);
  if (c == L'\t') return KeyOf(Key::Code::kTab);
  if (c == 0x7f || c == 0x08) return KeyOf(Key::Code::kBackspace);
  Key key = KeyOf(Key::Code::kCharacter);
  if (c < 0x20) {
    key.code = Key::Code::kControl;
    key.character = c == 0 ? U' ' : static_cast<char32_t>(c + 0x60);
    return key;
  }
  key.character = static_cast<char32_t>(c);
  return key;
}

class CursesTerminal : public Terminal {
 public:
  CursesTerminal(SCREEN* screen, const Options& options) : screen_(screen) {
    ::set_escdelay(kEscapeDelayMilliseconds);
    ::raw();
    ::noecho();
    ::nonl();
    ::keypad(stdscr, TRUE);
    ::nodelay(stdscr, TRUE);
    ::curs_set(0);
    if (options.mouse) {
      ::mousemask(BUTTON1_CLICKED | BUTTON1_DOUBLE_CLICKED | BUTTON4_PRESSED | BUTTON5_PRESSED,
                  nullptr);
      ::mouseinterval(150);
    }
    color_ =
        options.color && ::has_colors() && ::start_color() == OK && ::use_default_colors() == OK;
    if (color_) {
      for (size_t i = 0; i < std::size(kPalette); ++i) {
        const Palette& entry = kPalette[i];
        const bool many = COLORS >= 256;
        ::init_pair(static_cast<short>(i + 1), many ? entry.in_256 : entry.in_8,
                    many ? entry.background_256 : entry.background_8);
      }
    }
  }

  ~CursesTerminal() override {
    ::endwin();
    ::delscreen(screen_);
  }

  int width() const override { return COLS; }
  int height() const override { return LINES; }

  void Show(const Surface& surface, std::optional<Point> cursor) override {
    const bool fits = shown_.has_value() && shown_->width() == surface.width() &&
                      shown_->height() == surface.height();
    if (!fits) ::erase();
    for (int y = 0; y < std::min(surface.height(), LINES); ++y) {
      for (int x = 0; x < std::min(surface.width(), COLS); ++x) {
        const GridCell& cell = surface.At(x, y);
        if (cell.character == 0) continue;
        const bool wide = x + 1 < surface.width() && surface.At(x + 1, y).character == 0;
        if (fits && shown_->At(x, y) == cell &&
            (!wide || shown_->At(x + 1, y) == surface.At(x + 1, y)) &&
            wide == (x + 1 < surface.width() && shown_->At(x + 1, y).character == 0))
          continue;
        PutCell(x, y, cell, wide);
      }
    }
    shown_ = surface;
    if (cursor.has_value()) ::move(cursor->y, cursor->x);
    if (cursor.has_value() != cursor_shown_) ::curs_set(cursor.has_value() ? 1 : 0);
    cursor_shown_ = cursor.has_value();
    ::refresh();
  }

  void Repaint() override {
    ::clearok(curscr, TRUE);
    ::refresh();
  }

  std::optional<Key> Read(bool* resized) override {
    *resized = false;
    wint_t c;
    const int kind = ::get_wch(&c);
    if (kind == ERR) return std::nullopt;
    if (kind == KEY_CODE_YES) {
      if (c == KEY_RESIZE) {
        *resized = true;
        return std::nullopt;
      }
      if (c == KEY_MOUSE) return ReadMouse();
      return FromCursesKey(c);
    }
    if (c != 0x1b) return FromCharacter(c);
    // Escape, or the first byte of Alt and another key.
    wint_t next;
    const int next_kind = ::get_wch(&next);
    if (next_kind == ERR) return KeyOf(Key::Code::kEscape);
    if (next_kind == KEY_CODE_YES) {
      if (next == KEY_RESIZE) *resized = true;
      return KeyOf(Key::Code::kEscape);
    }
    Key key = FromCharacter(next);
    if (key.code == Key::Code::kCharacter) key.code = Key::Code::kAlt;
    return key;
  }

  void Suspend() override {
    ::def_prog_mode();
    ::endwin();
    ::raise(SIGTSTP);
    ::reset_prog_mode();
    ::clearok(curscr, TRUE);
    ::refresh();
  }

 private:
  attr_t AttributesOf(const Style& style) const {
    attr_t attributes = A_NORMAL;
    if (style.bold) attributes |= A_BOLD;
    if (style.selected) attributes |= A_REVERSE;
    if (color_) return attributes;
    switch (style.role) {
      case Role::kHeader:
      case Role::kMatch:
        return attributes | A_REVERSE;
      case Role::kInput:
        return attributes | A_UNDERLINE;
      case Role::kError:
      case Role::kWarning:
      case Role::kKey:
      case Role::kMarked:
        return attributes | A_BOLD;
      default:
        return attributes;
    }
  }

  static short PairOf(Role role) {
    for (size_t i = 0; i < std::size(kPalette); ++i)
      if (kPalette[i].role == role) return static_cast<short>(i + 1);
    return 0;
  }

  void PutCell(int x, int y, const GridCell& cell, bool wide) {
    wchar_t text[2 + GridCell::kMostCombining] = {};
    size_t length = 0;
    const auto base = static_cast<wchar_t>(cell.character);
    // Where the C library and our measure disagree the layout would break.
    const int columns = ::wcwidth(base);
    text[length++] = columns == (wide ? 2 : 1) ? base : L'?';
    if (text[0] == base) {
      for (const char32_t c : cell.combining)
        if (c != 0 && ::wcwidth(static_cast<wchar_t>(c)) == 0)
          text[length++] = static_cast<wchar_t>(c);
    }
    cchar_t out;
    ::setcchar(&out, text, AttributesOf(cell.style), color_ ? PairOf(cell.style.role) : 0, nullptr);
    ::mvadd_wch(y, x, &out);
    if (wide && text[0] != base) {
      const wchar_t blank[] = L"?";
      ::setcchar(&out, blank, AttributesOf(cell.style), color_ ? PairOf(cell.style.role) : 0,
                 nullptr);
      ::mvadd_wch(y, x + 1, &out);
    }
  }

  std::optional<Key> ReadMouse() {
    MEVENT event;
    if (::getmouse(&event) != OK) return std::nullopt;
    Key key = KeyOf(Key::Code::kMouse);
    key.x = event.x;
    key.y = event.y;
    if ((event.bstate & BUTTON1_DOUBLE_CLICKED) != 0)
      key.mouse = Key::Mouse::kDoubleClick;
    else if ((event.bstate & BUTTON1_CLICKED) != 0)
      key.mouse = Key::Mouse::kClick;
    else if ((event.bstate & BUTTON4_PRESSED) != 0)
      key.mouse = Key::Mouse::kWheelUp;
    else if ((event.bstate & BUTTON5_PRESSED) != 0)
      key.mouse = Key::Mouse::kWheelDown;
    return key;
  }

  SCREEN* screen_;
  bool color_ = false;
  bool cursor_shown_ = false;
  std::optional<Surface> shown_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Terminal>> Terminal::Open(const Options& options) {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
    return absl::FailedPreconditionError(
        "console: standard input and output must be a terminal; for scripts there are dragnet "
        "agents, actions, results (dragnet help)");
  }
  // The user's locale, if it can show everything; glibc has C.UTF-8 built in.
  if (::setlocale(LC_ALL, "") == nullptr || MB_CUR_MAX < 4) ::setlocale(LC_ALL, "C.UTF-8");
  const char* kind = ::getenv("TERM");
  SCREEN* screen = kind == nullptr ? nullptr : ::newterm(nullptr, stdout, stdin);
  if (screen == nullptr) {
    return absl::FailedPreconditionError(
        StrCat("console: can't draw on a terminal of kind TERM=", kind == nullptr ? "" : kind,
               ": set TERM to what it is, e.g. xterm-256color"));
  }
  return std::make_unique<CursesTerminal>(screen, options);
}

}  // namespace dragnet::console::tui
