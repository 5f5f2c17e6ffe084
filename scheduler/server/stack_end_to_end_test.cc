// Stack and SearchAgents, as a console calls them.
#include <gtest/gtest.h>

#include <string>

#include "core/strings.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

class StackEndToEndTest : public ServerTest {
 protected:
  // Rows are Facts here, as some module's might be.
  static std::string Row(std::string_view os) {
    v1::Facts row;
    row.set_os(std::string(os));
    row.set_name("not stacked");
    return row.SerializeAsString();
  }

  grpc::Status Stack(const v1::StackRequest& request, v1::StackResponse* response) {
    response->Clear();
    return Api().Stack(Patience().get(), request, response);
  }

  v1::StackRequest Request(const std::string& action) {
    v1::StackRequest request;
    request.set_action_id(action);
    request.add_columns()->add_field_numbers(v1::Facts::kOsFieldNumber);
    request.set_most_frequent_first(true);
    return request;
  }
};

TEST_F(StackEndToEndTest, RowsOfAllAgentsAreCounted) {
  std::vector<std::unique_ptr<AgentPeer>> peers;
  for (const char* name : {"web1", "web2"}) peers.push_back(Connect(Enrol(name)));
  const std::string id = LaunchNew();
  for (const auto& peer : peers) {
    peer->ReadActionEnvelope();
    peer->SendRecord(RowsRecord(id, 1, {Row("linux"), Row("linux"), Row("bsd")}));
    peer->ReadAcknowledgement();
  }
  v1::StackResponse response;
  const grpc::Status status = Stack(Request(id), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.entries_size(), 2);
  v1::Facts expected;
  expected.set_os("linux");
  EXPECT_EQ(response.entries(0).row(), expected.SerializeAsString());
  EXPECT_EQ(response.entries(0).rows(), 4u);
  EXPECT_EQ(response.entries(0).agents(), 2u);
  EXPECT_EQ(response.rows(), 6u);
  EXPECT_EQ(response.different(), 2u);

  // One after the other, more often than may run at a time.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Stack(Request(id), &response).ok());
  v1::StackRequest none = Request(id);
  none.clear_columns();
  EXPECT_EQ(Stack(none, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Stack(Request("0190a000-0000-7000-8000-0000000000ff"), &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(StackEndToEndTest, AgentsComeInPagesByNameEachOnce) {
  for (const char* name : {"d", "b", "a", "c", "b"}) Enrol(name);
  const auto connected = Connect(Enrol("e"));
  std::string names;
  v1::SearchAgentsRequest request;
  request.set_page_size(2);
  v1::SearchAgentsResponse response;
  do {
    response.Clear();
    ASSERT_TRUE(Api().SearchAgents(Patience().get(), request, &response).ok());
    EXPECT_EQ(response.total(), 6u);
    EXPECT_EQ(response.connected(), 1u);
    for (const v1::AgentInfo& agent : response.agents()) names += agent.facts().name();
    request.set_page_token(response.next_page_token());
  } while (!response.next_page_token().empty() && names.size() < 100);
  EXPECT_EQ(names, "abbcde");

  request.Clear();
  request.set_target("name < 'c'");
  request.set_count_only(true);
  response.Clear();
  ASSERT_TRUE(Api().SearchAgents(Patience().get(), request, &response).ok());
  EXPECT_EQ(response.total(), 3u);
  EXPECT_EQ(response.connected(), 0u);
  EXPECT_EQ(response.agents_size(), 0);
  request.set_page_token("no agent");
  EXPECT_EQ(Api().SearchAgents(Patience().get(), request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace dragnet::scheduler
