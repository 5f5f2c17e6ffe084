#include "core/text.h"

#include "core/json.h"
#include "core/keys.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

TEST(TextTest, HexGoesBothWaysAndRefusesTheRest) {
  std::string bytes;
  EXPECT_EQ(HexEncode(std::string("\x00\xff\x1b", 3)), "00ff1b");
  EXPECT_TRUE(HexDecode("00fF1b", &bytes));
  EXPECT_EQ(bytes, std::string("\x00\xff\x1b", 3));
  EXPECT_FALSE(HexDecode("0", &bytes));
  EXPECT_FALSE(HexDecode("0g", &bytes));
  EXPECT_TRUE(bytes.empty());
}

TEST(TextTest, TerminalEscapesAreWrittenOut) {
  EXPECT_EQ(ForTerminal("plain ünïcode \\ 漢字"), "plain ünïcode \\ 漢字");
  EXPECT_EQ(ForTerminal("\x1b[2J\x1b]0;owned\x07"), "\\x1b[2J\\x1b]0;owned\\x07");
  EXPECT_EQ(ForTerminal("a\r\nb\tc"), "a\\r\\nb\\tc");
  EXPECT_EQ(ForTerminal(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(ForTerminal("\x7f"), "\\x7f");
  // C1 control CSI, as UTF-8 and as a raw byte.
  EXPECT_EQ(ForTerminal("\xc2\x9b"
                        "31m"),
            "\\x9b31m");
  EXPECT_EQ(ForTerminal("\x9b"
                        "31m"),
            "\\x9b31m");
  // Right-to-left override and isolates, line separator.
  EXPECT_EQ(ForTerminal("\u202egpj.exe\u2066\u2028"), "\\u202egpj.exe\\u2066\\u2028");
}

TEST(TextTest, InvisibleCharactersAreWrittenOut) {
  EXPECT_EQ(ForTerminal("web\u00ad1"), "web\\u00ad1");
  EXPECT_EQ(ForTerminal("\u200b\ufeff\U000e0041"), "\\u200b\\ufeff\\U000e0041");
  // A heart that many terminals draw two columns wide with it, and some one.
  EXPECT_EQ(ForTerminal("\u2764\ufe0f"), "\u2764\\ufe0f");
  const std::pair<char32_t, char32_t> ranges[] = {
      {0x00AD, 0x00AD}, {0x115F, 0x1160}, {0x180E, 0x180E}, {0x200B, 0x200F},
      {0x2060, 0x2064}, {0x206A, 0x206F}, {0x3164, 0x3164}, {0xFEFF, 0xFEFF},
      {0xFE00, 0xFE0F}, {0xFFA0, 0xFFA0}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE0FFF}};
  for (const auto& [first, last] : ranges) {
    for (char32_t c = first; c <= last; ++c) {
      EXPECT_TRUE(IsUnsafeToShow(c)) << std::hex << static_cast<uint32_t>(c);
    }
  }
  for (const char32_t c :
       {U' ', U'\u00e9', U'\u00ac', U'\u2010', U'\u2070', U'\u3163', U'\ufffd'}) {
    EXPECT_FALSE(IsUnsafeToShow(c)) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(TextTest, IllFormedUtf8BecomesReplacementCharactersByMaximalSubparts) {
  // Unicode 15, table 3-8: U+FFFD for each maximal subpart.
  EXPECT_EQ(ToValidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"
            "A");
  EXPECT_EQ(ToValidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\uFFFD\uFFFD\uFFFD\uFFFDA");
  EXPECT_FALSE(IsValidUtf8("\xED\xA0\x80"));  // a surrogate
  EXPECT_FALSE(IsValidUtf8("\xF4\x90\x80\x80"));
  EXPECT_TRUE(IsValidUtf8("\xF4\x8F\xBF\xBF"));
}

TEST(TextTest, RandomBytesAlwaysBecomeSafeText) {
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = RandomBytes(64);
    EXPECT_TRUE(IsValidUtf8(ToValidUtf8(bytes)));
    for (const char c : ForTerminal(bytes)) {
      EXPECT_FALSE((c >= 0 && c < 0x20) || c == 0x7f);
    }
  }
}

TEST(TextTest, ShortensAtTheBorderOfACharacter) {
  EXPECT_EQ(Shorten("short", 5), "short");
  EXPECT_EQ(Shorten("longer text", 8), "longe…");
  EXPECT_EQ(Shorten("ééééé", 8), "éé…");
  EXPECT_TRUE(IsValidUtf8(Shorten("漢字漢字漢字", 10)));
}

TEST(TextTest, JsonIsEscapedAndOrdered) {
  EXPECT_EQ(JsonObject({{"b", "1\n"}, {"a", "\"\\\xff"}}),
            "{\"a\":\"\\\"\\\\\uFFFD\",\"b\":\"1\\u000a\"}");
  EXPECT_EQ(JsonArray({}), "[]");
  EXPECT_EQ(JsonArray({"x", "y"}), "[\"x\",\"y\"]");
}

TEST(TextTest, Utf32AndBackIsTheSameText) {
  const std::string text = "a\u00e4\u07ff\u0800\u6f22\uffff\U00010000\U0010ffff";
  std::string back;
  for (const char32_t c : ToUtf32(text)) AppendUtf8(c, &back);
  EXPECT_EQ(back, text);
  EXPECT_EQ(ToUtf32("a\xff"
                    "b"),
            U"a\ufffd"
            U"b");
}

}  // namespace
}  // namespace dragnet
