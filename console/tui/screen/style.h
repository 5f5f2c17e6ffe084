// How things look, by what they mean; which colours that is, the terminal decides
// (terminal.cc). Nothing may be told by colour alone: without colours, words and
// signs say the same.
#pragma once

namespace dragnet::console::tui {

enum class Role {
  kNormal,
  kMuted,
  kTitle,
  // Column headers, the bars at top and bottom.
  kHeader,
  kKey,
  kLabel,
  kInput,
  kMatch,
  kMarked,
  kWarning,
  kError,
  // What became of agents.
  kFound,
  kClean,
  kIncomplete,
  kFailed,
  kRunning,
  kWaiting,
};

struct Style {
  Role role = Role::kNormal;
  bool bold = false;
  // The line or field that keys act on.
  bool selected = false;

  friend bool operator==(const Style&, const Style&) = default;
};

inline constexpr Style kNormal{};
inline constexpr Style kMuted{Role::kMuted};
inline constexpr Style kBold{Role::kNormal, true};
inline constexpr Style kTitle{Role::kTitle, true};
inline constexpr Style kHeader{Role::kHeader, true};
inline constexpr Style kKey{Role::kKey, true};
inline constexpr Style kLabel{Role::kLabel};
inline constexpr Style kWarning{Role::kWarning, true};
inline constexpr Style kError{Role::kError, true};

inline Style Selected(Style style) {
  style.selected = true;
  return style;
}

}  // namespace dragnet::console::tui
