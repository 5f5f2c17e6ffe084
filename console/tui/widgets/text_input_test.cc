#include "console/tui/widgets/text_input.h"

#include <gtest/gtest.h>

namespace dragnet::console::tui {
namespace {

void Type(TextInput& input, std::string_view ascii) {
  for (const char c : ascii) {
    Key key;
    key.code = Key::Code::kCharacter;
    key.character = static_cast<char32_t>(c);
    input.OnKey(key);
  }
}

void Press(TextInput& input, Key::Code code, char32_t character = 0) {
  Key key;
  key.code = code;
  key.character = character;
  input.OnKey(key);
}

TEST(TextInputTest, WordsAreKilledAndBroughtBack) {
  TextInput input;
  Type(input, "file --path /etc");
  Press(input, Key::Code::kControl, U'w');
  EXPECT_EQ(input.text(), "file --path /");
  Press(input, Key::Code::kControl, U'y');
  EXPECT_EQ(input.text(), "file --path /etc");
  Press(input, Key::Code::kControl, U'u');
  EXPECT_EQ(input.text(), "");
}

TEST(TextInputTest, CharactersBeyondAsciiAreOneEach) {
  TextInput input;
  Press(input, Key::Code::kCharacter, U'ä');
  Press(input, Key::Code::kCharacter, U'漢');
  Press(input, Key::Code::kCharacter, U'😀');
  EXPECT_EQ(input.text(), "ä漢😀");
  Press(input, Key::Code::kBackspace);
  EXPECT_EQ(input.text(), "ä漢");
}

TEST(TextInputTest, TabCompletesAsFarAsItIsClear) {
  TextInput input;
  input.set_complete([](std::string_view before, size_t* start) {
    *start = 0;
    std::vector<std::string> words;
    for (const std::string_view word : {"memory", "memo", "file"})
      if (word.starts_with(before)) words.emplace_back(word);
    return words;
  });
  Type(input, "m");
  Press(input, Key::Code::kTab);
  EXPECT_EQ(input.text(), "memo");
  EXPECT_EQ(input.candidates().size(), 2u);
  input.SetText("fi");
  Press(input, Key::Code::kTab);
  EXPECT_EQ(input.text(), "file ");
}

TEST(TextInputTest, EarlierLinesComeBackAndTheTypedOneStays) {
  TextInput input;
  input.AddToHistory("one");
  input.AddToHistory("two");
  Type(input, "new");
  Press(input, Key::Code::kUp);
  Press(input, Key::Code::kUp);
  EXPECT_EQ(input.text(), "one");
  Press(input, Key::Code::kDown);
  Press(input, Key::Code::kDown);
  EXPECT_EQ(input.text(), "new");
}

TEST(TextInputTest, TheCursorIsAlwaysSeen) {
  TextInput input;
  Type(input, "0123456789");
  Surface surface(5, 1);
  input.Draw(Canvas(&surface), kNormal);
  EXPECT_EQ(surface.ToText(), "6789\n");
  EXPECT_EQ(input.cursor().x, 4);
}

TEST(TextInputTest, ASecretIsNotShown) {
  TextInput input;
  input.set_secret(true);
  Type(input, "hunter2");
  Surface surface(20, 1);
  input.Draw(Canvas(&surface), kNormal);
  EXPECT_EQ(surface.ToText(), "•••••••\n");
}

}  // namespace
}  // namespace dragnet::console::tui
