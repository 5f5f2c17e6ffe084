// What is destroyed on a disk, and what an attacker who could plant something there
// can't have destroyed with it.
#include "agent/monitor/retirement.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet {
namespace {

namespace fs = std::filesystem;
using retire::v1::RetireRow;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kActionId[] = "018fd2a0-0000-7000-8000-000000000001";

class RetirementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-retirement-XXXXXX";
    root_ = ::mkdtemp(pattern);
    places_.state_directory = root_ + "/state";
    places_.release_directory = root_ + "/releases";
    places_.enrolment_token_file = root_ + "/enrolment.token";
    places_.program_directory = root_ + "/bin";
    for (const char* file :
         {"state/agent.db", "state/agent.db-wal", "state/link/tls.key", "state/link/tls.pem",
          "state/link/tls.pem.new-0123", "releases/state", "releases/starts",
          "releases/0.2.0/dragnet-agent", "releases/0.2.0/dragnet-link",
          "releases/0.2.0/dragnet-worker", "releases/.staging-0.3.0/dragnet-agent",
          "releases/.snapshot/agent-3.db", "enrolment.token", "bin/dragnet-agent",
          "bystander/precious"}) {
      Make(file);
    }
    Make("state/blobs/" + std::string(64, 'a'));
    Make("state/blobs/partial");
  }
  void TearDown() override { fs::remove_all(root_); }

  void Make(const std::string& file) {
    fs::create_directories(fs::path(root_ + "/" + file).parent_path());
    std::ofstream(root_ + "/" + file) << "x";
  }
  bool IsThere(const std::string& file) const { return fs::exists(root_ + "/" + file); }
  std::vector<std::string> Tree() const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      paths.push_back(fs::relative(entry.path(), root_));
    }
    return paths;
  }
  RetirementMark Mark() const {
    return {.at = absl::FromUnixSeconds(1'800'000'000),
            .by = "alice, bob",
            .action_id = kActionId,
            .operation = 0,
            .reason = "sold"};
  }
  std::map<std::string, std::string> Outcomes() {
    std::map<std::string, std::string> outcomes;
    for (const RetireRow& row : DestroyBelongings(places_)) {
      outcomes[row.what()] = row.outcome();
      if (row.outcome() == "failed") details_ += row.detail() + "\n";
    }
    return outcomes;
  }
  void Retire() {
    ASSERT_TRUE(BeginRetirement(places_.state_directory, Mark()).ok());
    ASSERT_TRUE(CompleteRetirement(places_.state_directory).ok());
  }

  std::string root_;
  RetirementPlaces places_;
  std::string details_;
};

TEST_F(RetirementTest, MarkIsReadAsItWasWritten) {
  EXPECT_FALSE(LoadRetiring(places_.state_directory)->has_value());
  ASSERT_TRUE(BeginRetirement(places_.state_directory, Mark()).ok());
  const auto mark = *LoadRetiring(places_.state_directory);
  ASSERT_TRUE(mark.has_value());
  EXPECT_EQ(mark->at, Mark().at);
  EXPECT_EQ(mark->by, "alice, bob");
  EXPECT_EQ(mark->action_id, kActionId);
  EXPECT_EQ(mark->reason, "sold");
}

TEST_F(RetirementTest, MarkOfSignedTextIsOneLineEach) {
  RetirementMark mark = Mark();
  mark.reason = "sold\nby mallory\noperation 7\x1b[2J";
  const auto read = RetirementMark::FromText(mark.ToText());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->by, "alice, bob");
  EXPECT_EQ(read->operation, 0u);
  EXPECT_THAT(mark.ToText(), Not(HasSubstr("\x1b")));
}

TEST_F(RetirementTest, DamagedMarkIsAnErrorAndNotForgotten) {
  for (const std::string& text : {std::string(), std::string("dragnet-retirement 1\n"),
                                  Mark().ToText() + "more\n", std::string("\0\0\0", 3)}) {
    std::ofstream(places_.state_directory + "/retiring") << text;
    EXPECT_FALSE(LoadRetiring(places_.state_directory).ok()) << text;
  }
}

TEST_F(RetirementTest, BelongingsGoFirstAndTheIdentityStays) {
  EXPECT_THAT(Outcomes(), UnorderedElementsAre(
                              Pair("identity", "follows"), Pair("trust_policy", "follows"),
                              Pair("recurring_actions", "follows"), Pair("blobs", "destroyed"),
                              Pair("releases", "destroyed"), Pair("enrolment_token", "destroyed")));
  EXPECT_FALSE(IsThere("state/blobs"));
  EXPECT_FALSE(IsThere("releases/0.2.0"));
  EXPECT_FALSE(IsThere("releases/.staging-0.3.0"));
  EXPECT_FALSE(IsThere("enrolment.token"));
  EXPECT_TRUE(IsThere("state/link/tls.key"));
  EXPECT_TRUE(IsThere("state/agent.db"));
  const auto again = Outcomes();
  EXPECT_EQ(again.at("blobs"), "absent");
  EXPECT_EQ(again.at("releases"), "absent");
  EXPECT_EQ(again.at("enrolment_token"), "absent");
}

TEST_F(RetirementTest, VersionThatRunsStaysUntilTheEnd) {
  places_.program_directory = places_.release_directory + "/0.2.0";
  EXPECT_EQ(Outcomes().at("releases"), "follows");
  EXPECT_TRUE(IsThere("releases/0.2.0/dragnet-link"));
  EXPECT_TRUE(IsThere("releases/state"));
  EXPECT_FALSE(IsThere("releases/.staging-0.3.0"));
  Retire();
  ASSERT_TRUE(FinishRetirement(places_).has_value());
  EXPECT_FALSE(IsThere("releases"));
}

TEST_F(RetirementTest, NothingIsLeftButTheMark) {
  EXPECT_FALSE(FinishRetirement(places_).has_value());
  EXPECT_TRUE(IsThere("state/link/tls.key"));
  Retire();
  EXPECT_EQ(*FinishRetirement(places_),
            StrCat("this host was retired on 2027-01-15T08:00:00Z by alice, bob (sold); remove ",
                   places_.state_directory, "/retired to let it enrol again"));
  EXPECT_THAT(Tree(), UnorderedElementsAre("state", "state/retired", "bin", "bin/dragnet-agent",
                                           "bystander", "bystander/precious"));
}

TEST_F(RetirementTest, DestructionGoesOnAtTheNextStart) {
  Retire();
  ASSERT_TRUE(FinishRetirement(places_).has_value());
  Make("state/link/tls.key");
  Make("state/agent.db");
  ASSERT_TRUE(FinishRetirement(places_).has_value());
  EXPECT_FALSE(IsThere("state/link"));
  EXPECT_FALSE(IsThere("state/agent.db"));
}

TEST_F(RetirementTest, DamagedMarkOfARetiredHostRetiresItAllTheSame) {
  std::ofstream(places_.state_directory + "/retired") << "";
  EXPECT_THAT(*FinishRetirement(places_), HasSubstr("this host was retired; remove "));
  EXPECT_FALSE(IsThere("state/link/tls.key"));
}

TEST_F(RetirementTest, LinksLeadNowhere) {
  const std::string bystander = root_ + "/bystander";
  // In place of directories, and in them; by who could write there.
  fs::remove_all(places_.state_directory + "/blobs");
  fs::create_directory_symlink(bystander, places_.state_directory + "/blobs");
  Make("bystander/" + std::string(64, 'b'));
  fs::create_symlink(bystander + "/precious", places_.state_directory + "/link/tls.key.new-1");
  fs::create_directory_symlink(bystander, places_.state_directory + "/link/directory");
  fs::create_directory_symlink(bystander, places_.release_directory + "/9.9.9");
  Make("bystander/dragnet-agent");
  Make("bystander/agent.db");
  fs::remove_all(places_.release_directory + "/0.2.0");
  fs::create_directory(places_.release_directory + "/0.2.0");
  fs::create_symlink(bystander + "/precious", places_.release_directory + "/0.2.0/dragnet-agent");
  fs::remove(places_.enrolment_token_file);
  fs::create_symlink(bystander + "/precious", places_.enrolment_token_file);
  const auto outcomes = Outcomes();
  EXPECT_EQ(outcomes.at("blobs"), "failed");
  EXPECT_EQ(outcomes.at("releases"), "failed");
  EXPECT_THAT(details_, HasSubstr(places_.state_directory + "/blobs"));
  Retire();
  EXPECT_THAT(*FinishRetirement(places_), HasSubstr("not destroyed: open "));
  for (const std::string& file : {std::string("precious"), std::string("dragnet-agent"),
                                  std::string("agent.db"), std::string(64, 'b')}) {
    EXPECT_TRUE(IsThere("bystander/" + file)) << file;
  }
  EXPECT_FALSE(IsThere("state/link"));
  EXPECT_FALSE(fs::is_symlink(places_.enrolment_token_file));
  EXPECT_FALSE(IsThere("releases/0.2.0"));
}

TEST_F(RetirementTest, WhatOthersPutThereStays) {
  Make("releases/notes.txt");
  Make("releases/backup/dragnet-agent");
  Make("releases/0.2.0/core");
  Make("state/blobs/notes.txt");
  Make("state/notes.txt");
  const auto outcomes = Outcomes();
  EXPECT_EQ(outcomes.at("blobs"), "failed");
  EXPECT_EQ(outcomes.at("releases"), "failed");
  Retire();
  const std::string words = *FinishRetirement(places_);
  EXPECT_THAT(words, HasSubstr("not destroyed: rmdir "));
  for (const char* file : {"releases/notes.txt", "releases/backup/dragnet-agent",
                           "releases/0.2.0/core", "state/blobs/notes.txt", "state/notes.txt"}) {
    EXPECT_TRUE(IsThere(file)) << file;
  }
  EXPECT_FALSE(IsThere("releases/0.2.0/dragnet-agent"));
  EXPECT_FALSE(IsThere("state/link"));
}

// One that the kernel doesn't let go is told, and the rest goes all the same.
TEST_F(RetirementTest, WhatCantBeDeletedIsTold) {
  fs::remove(places_.enrolment_token_file);
  fs::create_directories(places_.enrolment_token_file + "/x");
  const auto outcomes = Outcomes();
  EXPECT_EQ(outcomes.at("enrolment_token"), "failed");
  EXPECT_EQ(outcomes.at("blobs"), "destroyed");
  EXPECT_THAT(details_, HasSubstr("unlink"));
}

TEST_F(RetirementTest, FifosAndDevicesAreNotOpened) {
  fs::remove_all(places_.state_directory + "/blobs");
  ASSERT_EQ(::mkfifo((places_.state_directory + "/blobs").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo((places_.state_directory + "/link/fifo").c_str(), 0600), 0);
  EXPECT_EQ(Outcomes().at("blobs"), "failed");
  Retire();
  ASSERT_TRUE(FinishRetirement(places_).has_value());
  EXPECT_FALSE(IsThere("state/link"));
}

TEST_F(RetirementTest, TlsIdentityAloneCanGo) {
  ASSERT_TRUE(RemoveTlsIdentity(places_.state_directory).ok());
  EXPECT_TRUE(fs::is_empty(places_.state_directory + "/link"));
  EXPECT_TRUE(IsThere("state/agent.db"));
}

}  // namespace
}  // namespace dragnet
