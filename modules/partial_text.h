// Texts in rows that are not all there. Who concludes something from a row must know
// them: "doesn't hold x" of a text whose end is missing is no finding. Thread-safe: no
// state.
#pragma once

#include <string_view>

namespace dragnet {

// What Shorten (core/text.h) puts where it cuts, and what stands alone in place of what
// a host keeps to itself (no_text, privacy mode) or of a list's further elements.
inline constexpr std::string_view kCutMark = "\u2026";
inline constexpr std::string_view kWithheld = kCutMark;

inline bool IsCut(std::string_view text) { return text.ends_with(kCutMark); }

}  // namespace dragnet
