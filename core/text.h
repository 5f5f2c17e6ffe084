// Text that came from a host or a network, made fit to be shown or stored.
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dragnet {

std::string HexEncode(std::string_view bytes);
// Lower or upper case; empty result and false on anything else.
bool HexDecode(std::string_view hex, std::string* bytes);

bool IsValidUtf8(std::string_view text);
// Each maximal invalid part becomes U+FFFD (Unicode 15, section 3.9, "U+FFFD
// Substitution of Maximal Subparts").
std::string ToValidUtf8(std::string_view bytes);

// Characters of valid UTF-8, e.g. of ToValidUtf8; invalid parts become U+FFFD.
std::u32string ToUtf32(std::string_view text);
void AppendUtf8(char32_t c, std::string* text);

// True for what must not reach a terminal raw: control characters (C0, DEL, C1),
// line and paragraph separators, bidirectional controls, and characters that
// show as nothing, with which two names can look the same.
bool IsUnsafeToShow(char32_t c);

// One line that a terminal can be trusted with: invalid UTF-8 and what
// IsUnsafeToShow names are written out as \n, \x1b, \u202e, \U000e0041;
// everything else stays. A backslash stays as it is: the result is for reading,
// not for parsing.
std::string ForTerminal(std::string_view text);

// At most `max_bytes`, cut at a character's border, with "…" where it was cut.
std::string Shorten(std::string_view text, size_t max_bytes);

}  // namespace dragnet
