#include "console/tui/screen/surface.h"

#include <gtest/gtest.h>

namespace dragnet::console::tui {
namespace {

TEST(SurfaceTest, TextIsDrawnAndCutWithAnEllipsis) {
  Surface surface(10, 2);
  const Canvas canvas(&surface);
  EXPECT_EQ(canvas.Put(0, 0, "short"), 5);
  EXPECT_EQ(canvas.Put(0, 1, "much too long"), 10);
  EXPECT_EQ(surface.ToText(), "short\nmuch too …\n");
}

TEST(SurfaceTest, WhatATerminalCouldObeyIsSpelledOut) {
  Surface surface(40, 1);
  Canvas(&surface).Put(0, 0, "a\x1b[2J\nb\x9b\u202e\u200b");
  const std::string text = surface.ToText();
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("\\x1b[2J\\nb"), std::string::npos) << text;
  EXPECT_EQ(text.find("\u202e"), std::string::npos);
}

TEST(SurfaceTest, NothingIsDrawnOutsideOfItsCanvas) {
  Surface surface(10, 3);
  const Canvas all(&surface);
  all.Fill(kNormal, U'.');
  const Canvas part = all.Part({2, 1, 4, 1});
  part.Put(-1, 0, "xxxxxxxx");
  part.Put(0, -1, "xxxxxxxx");
  part.Put(0, 1, "xxxxxxxx");
  part.Put(0, 0, "abcdefgh");
  EXPECT_EQ(surface.ToText(), "..........\n..abc…....\n..........\n");
}

TEST(SurfaceTest, AWideCharacterThatIsHalfCoveredLeavesNoHalfBehind) {
  Surface surface(6, 1);
  const Canvas canvas(&surface);
  canvas.Put(0, 0, "漢字");
  canvas.Put(1, 0, "x");
  EXPECT_EQ(surface.ToText(), " x字\n");
  canvas.Put(0, 0, "漢字");
  canvas.Put(2, 0, "x");
  EXPECT_EQ(surface.ToText(), "漢x\n");
}

TEST(SurfaceTest, AWideCharacterAtTheEdgeIsLeftOut) {
  Surface surface(4, 1);
  Canvas(&surface).Put(0, 0, "abc漢");
  EXPECT_EQ(surface.ToText(), "abc…\n");
}

TEST(SurfaceTest, CombiningCharactersTakeNoCellAndAreBounded) {
  Surface surface(4, 1);
  std::string zalgo = "a";
  for (int i = 0; i < 50; ++i) zalgo += "\u0301";
  EXPECT_EQ(Canvas(&surface).Put(0, 0, zalgo + "b"), 2);
  EXPECT_EQ(surface.ToText(), "a\u0301\u0301b\n");
}

TEST(SurfaceTest, AMegabyteOfTextCostsWhatIsSeenOfIt) {
  Surface surface(10, 1);
  EXPECT_EQ(Canvas(&surface).Put(0, 0, std::string(1 << 20, 'x')), 10);
  EXPECT_EQ(surface.ToText(), "xxxxxxxxx…\n");
}

}  // namespace
}  // namespace dragnet::console::tui
