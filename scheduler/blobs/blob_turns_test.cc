#include "scheduler/blobs/blob_turns.h"

#include <gtest/gtest.h>

#include <vector>

namespace dragnet::scheduler {
namespace {

class Agent : public BlobTurns::Taker {
 public:
  void TurnCame() override { ++came; }
  int came = 0;
};

class BlobTurnsTest : public ::testing::Test {
 protected:
  BlobTurnsTest() {
    for (int i = 0; i < 6; ++i) agents_.push_back(std::make_shared<Agent>());
  }

  BlobTurns turns_{2};
  std::vector<std::shared_ptr<Agent>> agents_;
};

TEST_F(BlobTurnsTest, WhoComesLaterWaitsInLine) {
  EXPECT_TRUE(turns_.Take(agents_[0]));
  EXPECT_TRUE(turns_.Take(agents_[1]));
  EXPECT_FALSE(turns_.Take(agents_[2]));
  EXPECT_FALSE(turns_.Take(agents_[3]));
  turns_.GiveBack(*agents_[1]);
  EXPECT_EQ(agents_[2]->came, 1);
  EXPECT_EQ(agents_[3]->came, 0);
  turns_.GiveBack(*agents_[2]);
  EXPECT_EQ(agents_[3]->came, 1);
  turns_.GiveBack(*agents_[0]);
  turns_.GiveBack(*agents_[3]);
  EXPECT_TRUE(turns_.Take(agents_[4]));
}

TEST_F(BlobTurnsTest, WhoLeavesTheLineIsPassedOver) {
  EXPECT_TRUE(turns_.Take(agents_[0]));
  EXPECT_TRUE(turns_.Take(agents_[1]));
  EXPECT_FALSE(turns_.Take(agents_[2]));
  EXPECT_FALSE(turns_.Take(agents_[3]));
  EXPECT_FALSE(turns_.Take(agents_[4]));
  turns_.GiveBack(*agents_[2]);
  agents_[3].reset();
  EXPECT_EQ(agents_[4]->came, 0);
  turns_.GiveBack(*agents_[0]);
  EXPECT_EQ(agents_[2]->came, 0);
  EXPECT_EQ(agents_[4]->came, 1);
}

TEST_F(BlobTurnsTest, WhoDoesntReadHoldsUpNoOneForLong) {
  EXPECT_TRUE(turns_.Take(agents_[0]));
  EXPECT_TRUE(turns_.Take(agents_[1]));
  EXPECT_FALSE(turns_.Take(agents_[2]));
  EXPECT_FALSE(turns_.Take(agents_[3]));
  turns_.Tick();
  turns_.Tick();
  EXPECT_EQ(agents_[2]->came, 0);
  turns_.Tick();
  EXPECT_EQ(agents_[2]->came, 1);
  EXPECT_EQ(agents_[3]->came, 1);
  EXPECT_FALSE(turns_.Take(agents_[4]));
  // What they held was lent already: nobody else comes for it.
  turns_.GiveBack(*agents_[0]);
  turns_.GiveBack(*agents_[1]);
  EXPECT_EQ(agents_[4]->came, 0);
  turns_.GiveBack(*agents_[2]);
  EXPECT_EQ(agents_[4]->came, 1);
}

}  // namespace
}  // namespace dragnet::scheduler
