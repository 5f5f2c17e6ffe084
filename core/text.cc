#include "core/text.h"

#include <cstdio>

namespace dragnet {
namespace {

// One step through UTF-8 (Unicode 15, table 3-7 "Well-Formed UTF-8 Byte
// Sequences"): how many bytes belong to what stands at `text[0]`, and whether
// they are a character. An ill-formed part is a maximal subpart.
struct Utf8Step {
  size_t length;
  bool valid;
  char32_t code_point;
};

Utf8Step NextUtf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {1, true, first};
  int following;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  char32_t code_point;
  if (first >= 0xC2 && first <= 0xDF) {
    following = 1;
    code_point = first & 0x1F;
  } else if (first >= 0xE0 && first <= 0xEF) {
    following = 2;
    code_point = first & 0x0F;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    following = 3;
    code_point = first & 0x07;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {1, false, 0};
  }
  size_t length = 1;
  for (int i = 0; i < following; ++i) {
    if (length >= text.size() || byte(length) < low || byte(length) > high) {
      return {length, false, 0};
    }
    code_point = (code_point << 6) | (byte(length) & 0x3F);
    ++length;
    low = 0x80;
    high = 0xBF;
  }
  return {length, true, code_point};
}

// How a character that may not be shown is written out.
std::string Escape(char32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\t') return "\\t";
  if (c == '\r') return "\\r";
  const char* format = c < 0xA0 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
  char escape[16];
  std::snprintf(escape, sizeof escape, format, static_cast<unsigned>(c));
  return escape;
}

}  // namespace

std::string HexEncode(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

bool HexDecode(std::string_view hex, std::string* bytes) {
  bytes->clear();
  if (hex.size() % 2 != 0) return false;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) {
      bytes->clear();
      return false;
    }
    bytes->push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = NextUtf8(text);
    if (!step.valid) return false;
    text.remove_prefix(step.length);
  }
  return true;
}

std::string ToValidUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Utf8Step step = NextUtf8(bytes);
    if (step.valid) {
      text.append(bytes.substr(0, step.length));
    } else {
      text.append("\xEF\xBF\xBD");
    }
    bytes.remove_prefix(step.length);
  }
  return text;
}

std::u32string ToUtf32(std::string_view text) {
  std::u32string characters;
  while (!text.empty()) {
    const Utf8Step step = NextUtf8(text);
    characters.push_back(step.valid ? step.code_point : U'\ufffd');
    text.remove_prefix(step.length);
  }
  return characters;
}

void AppendUtf8(char32_t c, std::string* text) {
  if (c < 0x80) {
    text->push_back(static_cast<char>(c));
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  // A one for each byte of the character, then a zero.
  text->push_back(static_cast<char>((0xff00 >> (more + 1) & 0xff) | (c >> (6 * more))));
  for (int i = more - 1; i >= 0; --i)
    text->push_back(static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3f)));
}

bool IsUnsafeToShow(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) ||       // C0, DEL, C1
         c == 0x00AD ||                                // soft hyphen
         c == 0x061C ||                                // Arabic letter mark (bidirectional)
         c == 0x115F || c == 0x1160 ||                 // Hangul fillers
         c == 0x3164 || c == 0xFFA0 || c == 0x180E ||  // Mongolian vowel separator
         (c >= 0x200B && c <= 0x200F) ||  // zero width space and joiners, directional marks
         (c >= 0x2028 && c <= 0x202E) ||  // line and paragraph separator, bidirectional controls
         (c >= 0x2060 && c <= 0x206F) ||  // word joiner, invisible operators, isolates, deprecated
         (c >= 0xFE00 && c <= 0xFE0F) ||  // variation selectors: terminals differ on the width
         c == 0xFEFF ||                   // zero width no-break space
         (c >= 0xFFF9 && c <= 0xFFFB) ||  // interlinear annotation
         (c >= 0xE0000 && c <= 0xE0FFF);  // tags, further variation selectors
}

std::string ForTerminal(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = NextUtf8(text);
    if (!step.valid) {
      // Bytes, not characters.
      char escape[8];
      for (size_t i = 0; i < step.length; ++i) {
        std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(text[i]));
        safe.append(escape);
      }
    } else if (IsUnsafeToShow(step.code_point)) {
      safe.append(Escape(step.code_point));
    } else {
      safe.append(text.substr(0, step.length));
    }
    text.remove_prefix(step.length);
  }
  return safe;
}

std::string Shorten(std::string_view text, size_t max_bytes) {
  static constexpr std::string_view kEllipsis = "\xE2\x80\xA6";
  if (text.size() <= max_bytes) return std::string(text);
  if (max_bytes <= kEllipsis.size()) return std::string(kEllipsis.substr(0, max_bytes));
  size_t length = max_bytes - kEllipsis.size();
  // Back to the start of a character.
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  std::string shortened(text.substr(0, length));
  shortened.append(kEllipsis);
  return shortened;
}

}  // namespace dragnet
