#include "scheduler/api/stack.h"

#include <gtest/gtest.h>

#include <future>
#include <map>

#include "core/keys.h"
#include "core/strings.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

constexpr char kAction[] = "0190a000-0000-7000-8000-000000000001";

// Rows are Facts here, as some module's might be.
std::string Row(std::string_view os, std::string_view name = "") {
  v1::Facts row;
  row.set_os(std::string(os));
  row.set_name(std::string(name));
  return row.SerializeAsString();
}

StackBounds Different(size_t different) {
  StackBounds bounds;
  bounds.different = different;
  return bounds;
}

StackBounds Bytes(size_t bytes) {
  StackBounds bounds;
  bounds.bytes = bytes;
  return bounds;
}

class StackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SqliteStore::Create(path_).ok());
    store_ = *SqliteStore::Open(path_, StoreUse::kRun);
    StoredToken token;
    token.sha256 = "token";
    token.expires = absl::Now() + absl::Hours(1);
    token.uses_left = 3;
    ASSERT_TRUE(store_->AddToken(token).ok());
    for (const char digit : {'1', '2', '3'}) {
      Enrolment enrolment;
      enrolment.agent_id = std::string(8, digit) + "-0000-4000-8000-000000000000";
      enrolment.token_sha256 = token.sha256;
      enrolment.certificate.fingerprint = enrolment.agent_id;
      enrolment.certificate.identity = enrolment.agent_id;
      ASSERT_TRUE(store_->EnrolAgent(enrolment, absl::Now()).ok());
      agents_.push_back(enrolment.agent_id);
    }
    StoredAction action;
    action.id = kAction;
    action.expires = absl::Now() + absl::Hours(1);
    action.bounds.assign(2, {.rows = 1000, .bytes = 1 << 20});
    ASSERT_TRUE(store_->AddAction(action, agents_).ok());
  }

  void Append(int agent, const std::vector<std::string>& rows, uint32_t operation = 0) {
    v1::ResultRecord record;
    record.set_action_id(kAction);
    record.set_operation(operation);
    record.set_sequence(++sequence_[{agent, operation}]);
    for (const std::string& row : rows) record.mutable_rows()->add_rows(row);
    std::promise<bool> stored;
    store_->AppendRecord(agents_[agent], record, absl::Now(),
                         [&](absl::StatusOr<Appended> appended) {
                           stored.set_value(appended.ok() && appended->dropped.ok());
                         });
    ASSERT_TRUE(stored.get_future().get());
  }

  v1::StackRequest Request(std::vector<uint32_t> columns) {
    v1::StackRequest request;
    request.set_action_id(kAction);
    request.set_most_frequent_first(true);
    for (const uint32_t column : columns) request.add_columns()->add_field_numbers(column);
    return request;
  }

  absl::StatusOr<v1::StackResponse> Stack(const v1::StackRequest& request,
                                          const StackBounds& bounds = StackBounds()) {
    auto stacking = Stacking::Create(*store_, request, bounds);
    if (!stacking.ok()) return stacking.status();
    while (true) {
      const absl::StatusOr<bool> done = stacking->Step();
      if (!done.ok()) return done.status();
      if (*done) break;
    }
    v1::StackResponse response;
    stacking->Answer(&response);
    return response;
  }

  // "os name: rows/agents", in order.
  static std::vector<std::string> Text(const v1::StackResponse& response) {
    std::vector<std::string> lines;
    for (const auto& entry : response.entries()) {
      v1::Facts row;
      EXPECT_TRUE(row.ParseFromString(entry.row()));
      lines.push_back(StrCat(row.os(), " ", row.name(), ": ", entry.rows(), "/", entry.agents()));
    }
    return lines;
  }

  const int os_ = v1::Facts::kOsFieldNumber;
  const int name_ = v1::Facts::kNameFieldNumber;
  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/test.db";
  std::unique_ptr<SqliteStore> store_;
  std::vector<std::string> agents_;
  std::map<std::pair<int, uint32_t>, uint64_t> sequence_;
};

TEST_F(StackTest, EqualValuesAreCountedWithTheirAgentsOnce) {
  // Agents take turns, so that none has its rows together.
  for (int round = 0; round < 3; ++round) {
    Append(0, {Row("linux", "x"), Row("linux", "y")});
    Append(1, {Row("linux", "x")});
    Append(2, {Row("bsd", "z")});
  }
  const auto response = Stack(Request({static_cast<uint32_t>(os_)}));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(Text(*response), (std::vector<std::string>{"linux : 9/2", "bsd : 3/1"}));
  EXPECT_EQ(response->rows(), 12u);
  EXPECT_EQ(response->different(), 2u);

  const auto both = Stack(Request({static_cast<uint32_t>(os_), static_cast<uint32_t>(name_)}));
  EXPECT_EQ(Text(*both), (std::vector<std::string>{"linux x: 6/2", "linux y: 3/1", "bsd z: 3/1"}));
}

TEST_F(StackTest, RarestFirstAndNoMoreThanAskedFor) {
  Append(0, {Row("a"), Row("b"), Row("b"), Row("c"), Row("c"), Row("c")});
  v1::StackRequest request = Request({static_cast<uint32_t>(os_)});
  request.set_most_frequent_first(false);
  request.set_limit(2);
  const auto response = Stack(request);
  EXPECT_EQ(Text(*response), (std::vector<std::string>{"a : 1/1", "b : 2/1"}));
  EXPECT_EQ(response->different(), 3u);
  EXPECT_EQ(response->rows(), 6u);
}

TEST_F(StackTest, OtherOperationsAreNotCounted) {
  Append(0, {Row("a")}, 0);
  Append(0, {Row("b"), Row("b")}, 1);
  v1::StackRequest request = Request({static_cast<uint32_t>(os_)});
  request.set_operation(1);
  EXPECT_EQ(Text(*Stack(request)), std::vector<std::string>{"b : 2/1"});
}

// Others wait for the thread meanwhile, and rows may be tiny.
TEST_F(StackTest, AStepReadsLittle) {
  constexpr size_t kRecords = 10, kBytes = 64 * 1024;
  for (size_t i = 0; i < kRecords; ++i) Append(0, {Row("a", std::string(kBytes - 64, 'x'))});
  auto stacking = Stacking::Create(*store_, Request({static_cast<uint32_t>(os_)}));
  ASSERT_TRUE(stacking.ok()) << stacking.status();
  size_t steps = 0;
  while (!*stacking->Step()) ++steps;
  EXPECT_GE(steps, kRecords * kBytes / (256 * 1024));
  v1::StackResponse response;
  stacking->Answer(&response);
  EXPECT_EQ(response.rows(), kRecords);
}

TEST_F(StackTest, RowsThatAreNoMessagesAreCountedApart) {
  Append(0, {Row("a"), "\xff\xff\xff", "no message"});
  const auto response = Stack(Request({static_cast<uint32_t>(os_)}));
  EXPECT_EQ(Text(*response), std::vector<std::string>{"a : 1/1"});
  EXPECT_EQ(response->unreadable(), 2u);
  EXPECT_EQ(response->rows(), 1u);
}

TEST_F(StackTest, TooManyValuesAndTooLargeOnesAreRefusedByName) {
  Append(0, {Row("a"), Row("b"), Row("c")});
  const v1::StackRequest request = Request({static_cast<uint32_t>(os_)});
  EXPECT_TRUE(Stack(request, Different(3)).ok());
  const absl::Status many = Stack(request, Different(2)).status();
  EXPECT_TRUE(absl::IsResourceExhausted(many)) << many;
  EXPECT_NE(many.ToString().find("2 different"), std::string::npos) << many;
  EXPECT_TRUE(absl::IsResourceExhausted(Stack(request, Bytes(300)).status()));
}

TEST_F(StackTest, WhatIsAskedWronglyIsRefused) {
  const v1::StackRequest good = Request({1});
  v1::StackRequest request = good;
  request.clear_columns();
  EXPECT_TRUE(absl::IsInvalidArgument(Stack(request).status()));
  request = good;
  request.set_limit(10001);
  EXPECT_TRUE(absl::IsInvalidArgument(Stack(request).status()));
  request = good;
  request.set_action_id("last");
  EXPECT_TRUE(absl::IsInvalidArgument(Stack(request).status()));
  request.set_action_id("0190a000-0000-7000-8000-0000000000ff");
  EXPECT_TRUE(absl::IsNotFound(Stack(request).status()));
  request = good;
  for (int i = 0; i < 100000; ++i) request.add_columns()->add_field_numbers(i + 2);
  EXPECT_TRUE(absl::IsInvalidArgument(Stack(request).status()));
}

}  // namespace
}  // namespace dragnet::scheduler
