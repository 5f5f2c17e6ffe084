#include "console/sweeps/junit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "console/sweeps/testing.h"
#include "core/file_io.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Untold;
using testing::Verdict;

class JunitTest : public ::testing::Test {
 protected:
  std::string Written(const std::vector<v1::SweepVerdict>& verdicts) const {
    StringSink sink;
    JunitWriter writer(sweep_, &sink);
    for (const v1::SweepVerdict& verdict : verdicts) writer.Add(verdict);
    writer.Finish();
    return sink.text();
  }

  dragnet::testing::Fleet fleet_;
  Sweep sweep_ = testing::TestSweep(fleet_);
};

TEST_F(JunitTest, ASuiteForEachHost) {
  const std::string xml =
      Written({Verdict("a", "root-login", "fail"), Verdict("a", "host-keys", "pass"),
               Verdict("b", "root-login", "unknown"), Verdict("b", "host-keys", "not_applicable")});
  EXPECT_THAT(xml, HasSubstr("<testsuite name=\"a\" hostname=\"a\" id=\"id-of-a\" tests=\"2\" "
                             "failures=\"1\" errors=\"0\" skipped=\"0\" "
                             "timestamp=\"2027-01-15T08:00:00\">"));
  EXPECT_THAT(xml, HasSubstr("<testsuite name=\"b\" hostname=\"b\" id=\"id-of-b\" tests=\"2\" "
                             "failures=\"0\" errors=\"1\" skipped=\"1\""));
  EXPECT_THAT(xml, HasSubstr("<testcase classname=\"root-login\" name=\"Title of root-login\">"
                             "<failure message=\"why it is fail\" type=\"high\">why it is fail\n"
                             "What to do: Remedy for root-login</failure></testcase>"));
  EXPECT_THAT(xml, HasSubstr("<skipped message"));
}

TEST_F(JunitTest, SilenceIsAnErrorAndNoVerdict) {
  v1::SweepVerdict old = Verdict("a", "root-login", "pass");
  old.set_silent(true);
  const std::string xml =
      Written({old, Verdict("b", "root-login", "pass"), Untold("c", "<refused>"), Untold("d")});
  EXPECT_THAT(xml, HasSubstr("id=\"id-of-a\" tests=\"2\" failures=\"0\" errors=\"1\""));
  EXPECT_THAT(xml, HasSubstr("id=\"id-of-b\" tests=\"1\" failures=\"0\" errors=\"0\""));
  EXPECT_THAT(xml, HasSubstr("id=\"id-of-c\" tests=\"1\" failures=\"0\" errors=\"1\" "
                             "skipped=\"0\">\n    <testcase classname=\"silent\" "));
  EXPECT_THAT(xml, HasSubstr("<error message=\"&lt;refused&gt;\" type=\"silent\">"));
  EXPECT_THAT(xml, HasSubstr("it has told no verdict yet"));
}

TEST_F(JunitTest, WhatHostsSayStaysText) {
  v1::SweepVerdict verdict = Verdict("</testsuite><x a=\"'&\x1b[2J", "root-login", "fail");
  verdict.set_reason(std::string("]]>\0\xff\xEF\xBF\xBF\xEF\xBF\xBE<!--", 15));
  verdict.add_evidence("{\"a\":\"<b>\"}\n\r");
  const std::string xml = Written({verdict, Verdict("z", "made-up", "fail")});
  EXPECT_THAT(xml, Not(HasSubstr("made-up")));
  char name[] = "/tmp/dragnet-junit-XXXXXX";
  const std::string directory = ::mkdtemp(name);
  ASSERT_TRUE(WriteFileAtomically(directory + "/x.xml", xml, 0600).ok());
  EXPECT_EQ(std::system(StrCat("python3 -c \"import sys,xml.dom.minidom as m; "
                               "d=m.parse(sys.argv[1]); "
                               "sys.exit(len(d.getElementsByTagName('testsuite'))!=1 or "
                               "d.getElementsByTagName('x').length!=0)\" ",
                               directory, "/x.xml")
                            .c_str()),
            0)
      << xml;
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace dragnet::console
