#include "agent/monitor/orders.h"

#include "core/action.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

class OrderBookTest : public ::testing::Test {
 protected:
  AuthorizedOrder Order(const std::string& action_id, v1::Order::Kind kind,
                        absl::Duration lifetime = absl::Hours(1)) {
    now_ += absl::Milliseconds(1);
    AuthorizedOrder authorized;
    authorized.signers = {"alice", "bob"};
    authorized.order.set_id(NewUuidV7(now_));
    authorized.order.set_action_id(action_id);
    authorized.order.set_kind(kind);
    *authorized.order.mutable_expires() = ToTimestamp(now_ + lifetime);
    return authorized;
  }
  void Put(const AuthorizedOrder& order) {
    book_.Put(order, order.order.SerializeAsString(), now_,
              [this](std::string_view id) { return id == here_; });
  }

  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::string here_;
  OrderBook book_;
};

TEST_F(OrderBookTest, TheNewestOneOfAnActionHolds) {
  EXPECT_EQ(book_.Find("a"), nullptr);
  const AuthorizedOrder pause = Order("a", v1::Order::KIND_PAUSE);
  Put(pause);
  EXPECT_TRUE(book_.IsPaused("a"));
  EXPECT_FALSE(book_.IsPaused("b"));
  EXPECT_TRUE(book_.HoldsEnvelope(pause.order.SerializeAsString()));
  Put(Order("a", v1::Order::KIND_CANCEL));
  EXPECT_FALSE(book_.IsPaused("a"));
  EXPECT_TRUE(book_.IsCancelled("a"));
  EXPECT_FALSE(book_.HoldsEnvelope(pause.order.SerializeAsString()));
  EXPECT_EQ(book_.Find("a")->words, "cancelled by alice, bob");
  EXPECT_EQ(book_.size(), 1u);
}

TEST_F(OrderBookTest, IsBoundedAndForgetsTheOldestButNeverThatOfAnActionThatIsHere) {
  here_ = "0";
  for (size_t i = 0; i < OrderBook::kMaxOrders; ++i) Put(Order(StrCat(i), v1::Order::KIND_PAUSE));
  Put(Order("one more", v1::Order::KIND_PAUSE));
  EXPECT_EQ(book_.size(), OrderBook::kMaxOrders);
  EXPECT_NE(book_.Find("0"), nullptr);
  EXPECT_EQ(book_.Find("1"), nullptr);
  EXPECT_NE(book_.Find("2"), nullptr);
  EXPECT_NE(book_.Find("one more"), nullptr);
}

TEST_F(OrderBookTest, WhatExpiredGoesFirst) {
  Put(Order("old", v1::Order::KIND_PAUSE));
  for (size_t i = 1; i < OrderBook::kMaxOrders; ++i)
    Put(Order(StrCat(i), v1::Order::KIND_PAUSE, absl::Milliseconds(1)));
  now_ += absl::Minutes(1);
  Put(Order("new", v1::Order::KIND_PAUSE));
  EXPECT_NE(book_.Find("old"), nullptr);
  EXPECT_EQ(book_.size(), 2u);
}

}  // namespace
}  // namespace dragnet
