#include "modules/file/names.h"

#include <errno.h>
#include <gtest/gtest.h>

#include "modules/file/temp_tree.h"

namespace dragnet::file {
namespace {

TEST(NameTable, ReadsNamesAndNumbersAndPassesOverWhatIsNoEntry) {
  const NameTable table = NameTable::Parse(
      "root:x:0:0:root:/root:/bin/sh\n"
      "toor:x:0:0::/:/bin/sh\n"
      "# comment:x:5:\n"
      "+nis:x:6:\n"
      "no number:x::1\nsigned:x:-1:\nspaced:x: 7:\nbig:x:4294967296:\nshort:x\n\n:x:9:\n"
      "last:x:4294967294:");
  EXPECT_EQ(table.NameOf(0), "root");
  EXPECT_EQ(table.IdOf("toor"), 0u);
  EXPECT_EQ(table.IdOf("last"), 4294967294u);
  EXPECT_EQ(table.NameOf(4294967294u), "last");
  for (uint32_t id : {1u, 5u, 6u, 7u, 9u, 4294967295u}) EXPECT_EQ(table.NameOf(id), "") << id;
  EXPECT_FALSE(table.IdOf("signed").has_value());
  EXPECT_FALSE(table.IdOf("").has_value());
}

TEST(NameTable, AnAbsentFileIsEmptyAndAnUnreadableOneIsAnError) {
  const TempTree tree;
  int error = 0;
  EXPECT_EQ(NameTable::ReadFile(tree.Path("absent").c_str(), &error).NameOf(0), "");
  EXPECT_EQ(error, 0);
  tree.File("passwd", "a:x:1:");
  EXPECT_EQ(NameTable::ReadFile(tree.Path("passwd").c_str(), &error).NameOf(1), "a");
  EXPECT_EQ(error, 0);
  NameTable::ReadFile(tree.root().c_str(), &error);
  EXPECT_EQ(error, EISDIR);
}

}  // namespace
}  // namespace dragnet::file
