// Investigations over real TLS: what honest peers get, and what a lost
// connection or a late agent changes.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/action.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

class DispatchEndToEndTest : public ServerTest {
 protected:
  static std::vector<std::string> RowsOf(const std::vector<v1::WatchEvent>& events) {
    std::vector<std::string> rows;
    for (const v1::WatchEvent& event : events)
      rows.insert(rows.end(), event.rows().rows().begin(), event.rows().rows().end());
    return rows;
  }
  // Sends it and waits for the acknowledgement.
  static void Deliver(AgentPeer& peer, const v1::ResultRecord& record) {
    peer.SendRecord(record);
    EXPECT_EQ(peer.ReadAcknowledgement().sequence(), record.sequence());
  }
  static void Accept(AgentPeer& peer, const std::string& action_id) {
    v1::AgentMessage message;
    message.mutable_accepted()->set_action_id(action_id);
    peer.Write(message);
  }
};

TEST_F(DispatchEndToEndTest, ActionReachesAConnectedAgentAndItsRowsReachTheWatcher) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::Action action = NewAction("os='linux'");
  const std::string envelope = Sign(action);
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(envelope, &launched).ok());
  EXPECT_EQ(launched.targeted(), 1u);
  EXPECT_EQ(launched.connected(), 1u);
  EXPECT_EQ(peer->ReadActionEnvelope(), envelope);
  Accept(*peer, action.id());
  Deliver(*peer, RowsRecord(action.id(), 1, {"a", "b"}));
  Deliver(*peer, RowsRecord(action.id(), 2, {"c"}));
  Deliver(*peer, SummaryRecord(action.id(), 3, v1::OUTCOME_FOUND, 3));

  const auto events = Watch(action.id());
  EXPECT_EQ(RowsOf(events), (std::vector<std::string>{"a", "b", "c"}));
  const v1::AgentState state = StateOf(events, agent.id);
  EXPECT_EQ(state.state(), v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(state.agent_name(), "web1");
  EXPECT_EQ(state.summaries_size(), 1);
  EXPECT_EQ(state.rows(), 3u);
  ASSERT_TRUE(events.back().has_end());
  EXPECT_EQ(events.back().end().progress().found(), 1u);
  EXPECT_EQ(events.back().end().progress().rows(), 3u);
}

// ---- blobs

class BlobEndToEndTest : public DispatchEndToEndTest {
 protected:
  grpc::Status Put(const std::string& content) {
    for (size_t offset = 0; offset < content.size(); offset += kMaxBlobPartBytes) {
      v1::PutBlobPartRequest part;
      part.set_sha256(Sha256(content));
      part.set_size(content.size());
      part.set_offset(offset);
      part.set_data(content.substr(offset, kMaxBlobPartBytes));
      v1::PutBlobPartResponse response;
      const grpc::Status status = Api().PutBlobPart(Patience().get(), part, &response);
      if (!status.ok()) return status;
    }
    return grpc::Status::OK;
  }
  v1::Action ActionWithBlob(const std::string& content) const {
    v1::Action action = NewAction();
    v1::Blob* blob = action.mutable_operations(0)->add_blobs();
    blob->set_field("searches[0].yara");
    blob->set_sha256(Sha256(content));
    blob->set_size(content.size());
    return action;
  }
  static void Ask(AgentPeer& peer, const std::string& content, uint64_t offset) {
    v1::AgentMessage message;
    message.mutable_blob_request()->set_sha256(Sha256(content));
    message.mutable_blob_request()->set_offset(offset);
    peer.Write(message);
  }
  static v1::BlobPart ReadPart(AgentPeer& peer) {
    v1::SchedulerMessage message;
    while (peer.Read(&message)) {
      if (message.has_blob_part()) return message.blob_part();
    }
    return {};
  }
};

TEST_F(BlobEndToEndTest, AnActionIsTakenOnceItsBlobsAreThereAndAgentsFetchThemInParts) {
  const std::string content(3 * 256 * 1024 + 17, 'x');
  const std::string envelope = Sign(ActionWithBlob(content));
  v1::LaunchResponse launched;
  EXPECT_EQ(Launch(envelope, &launched).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  v1::FindMissingBlobsRequest question;
  question.add_sha256(Sha256(content));
  v1::FindMissingBlobsResponse missing;
  ASSERT_TRUE(Api().FindMissingBlobs(Patience().get(), question, &missing).ok());
  EXPECT_EQ(missing.sha256_size(), 1);
  ASSERT_TRUE(Put(content).ok());
  ASSERT_TRUE(Api().FindMissingBlobs(Patience().get(), question, &missing).ok());
  EXPECT_EQ(missing.sha256_size(), 0);
  ASSERT_TRUE(Launch(envelope, &launched).ok());

  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  std::string received;
  while (received.size() < content.size()) {
    Ask(*peer, content, received.size());
    const v1::BlobPart part = ReadPart(*peer);
    ASSERT_FALSE(part.data().empty());
    EXPECT_EQ(part.offset(), received.size());
    received += part.data();
  }
  EXPECT_EQ(received, content);
  Ask(*peer, "what no one brought", 0);
  EXPECT_TRUE(ReadPart(*peer).data().empty());
}

TEST_F(BlobEndToEndTest, AnAgentThatAsksWithoutReadingIsCutOff) {
  const std::string content(256 * 1024, 'x');
  ASSERT_TRUE(Put(content).ok());
  const Agent agent = Enrol("greedy");
  const auto peer = Connect(agent);
  for (int i = 0; i < 200; ++i) Ask(*peer, content, 0);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(BlobEndToEndTest, AnAgentThatAsksAndAsksForWhatIsNotThereIsCutOff) {
  const Agent agent = Enrol("busy");
  const auto peer = Connect(agent);
  for (int i = 0; i < 2000; ++i) {
    Ask(*peer, "what no one brought", 0);
    v1::SchedulerMessage message;
    if (!peer->Read(&message)) break;
  }
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(BlobEndToEndTest, WhatNoOneSignedDoesNotKeepABlob) {
  const std::string content = "kept by no one";
  ASSERT_TRUE(Put(content).ok());
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(Sign(ActionWithBlob(content))));
  for (v1::Signature& signature : *envelope.mutable_signatures()) signature.set_sig("forged");
  v1::LaunchResponse launched;
  EXPECT_FALSE(Launch(envelope.SerializeAsString(), &launched).ok());
  const auto kept_until = [&] {
    return std::filesystem::last_write_time(
        StrCat(settings_.store, ".blobs/", HexEncode(Sha256(content))));
  };
  const auto now = std::filesystem::file_time_type::clock::now();
  EXPECT_LE(kept_until(), now);
  ASSERT_TRUE(Launch(Sign(ActionWithBlob(content)), &launched).ok());
  EXPECT_GT(kept_until(), now);
}

TEST_F(DispatchEndToEndTest, WatcherSeesRowsBeforeTheAgentHasEnded) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string id = LaunchNew();
  v1::WatchRequest request;
  request.set_action_id(id);
  const auto context = Patience();
  const auto reader = Api().Watch(context.get(), request);
  peer->ReadActionEnvelope();
  Deliver(*peer, RowsRecord(id, 1, {"first"}));
  v1::WatchEvent event;
  uint64_t cursor = 0;
  while (reader->Read(&event) && !event.has_rows()) {
  }
  ASSERT_TRUE(event.has_rows());
  cursor = event.cursor();
  EXPECT_GT(cursor, 0u);
  Deliver(*peer, RowsRecord(id, 2, {"second"}));
  Deliver(*peer, SummaryRecord(id, 3, v1::OUTCOME_FOUND, 2));
  std::vector<v1::WatchEvent> rest;
  while (reader->Read(&event)) rest.push_back(event);
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(RowsOf(rest), std::vector<std::string>{"second"});

  // A lost connection goes on from the cursor, and misses nothing.
  request.set_after(cursor);
  const auto again_context = Patience();
  const auto again = Api().Watch(again_context.get(), request);
  rest.clear();
  while (again->Read(&event)) rest.push_back(event);
  EXPECT_EQ(RowsOf(rest), std::vector<std::string>{"second"});
  EXPECT_EQ(StateOf(rest, agent.id).state(), v1::DISPATCH_STATE_FOUND);
}

TEST_F(DispatchEndToEndTest, AgentsThatConnectOrEnrolLaterGetTheAction) {
  const Agent known = Enrol("known");
  const std::string id = LaunchNew();
  EXPECT_EQ(ProgressOf(id).waiting(), 1u);
  const auto first = Connect(known);
  EXPECT_NE(first->ReadActionEnvelope(), "");
  const Agent later = Enrol("later");
  const auto second = Connect(later);
  EXPECT_NE(second->ReadActionEnvelope(), "");
  Deliver(*second, SummaryRecord(id, 1, v1::OUTCOME_CLEAN, 0));
  Deliver(*first, SummaryRecord(id, 1, v1::OUTCOME_CLEAN, 0));
  EXPECT_EQ(ProgressOf(id).targeted(), 2u);
  EXPECT_EQ(ProgressOf(id).clean(), 2u);
}

TEST_F(DispatchEndToEndTest, AgentOutsideOfTheTargetIsNotSentTheAction) {
  const Agent in = Enrol("in"), out = Enrol("out");
  const auto peer_in = Connect(in), peer_out = Connect(out);
  const std::string other = LaunchNew("name='in'");
  const std::string all = LaunchNew();
  EXPECT_NE(peer_in->ReadActionEnvelope(), "");
  // The first one that it gets is the second one.
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(peer_out->ReadActionEnvelope()));
  EXPECT_NE(envelope.payload().find(all), std::string::npos);
  EXPECT_EQ(ProgressOf(other).targeted(), 1u);
}

TEST_F(DispatchEndToEndTest, WhatHasNotEndedIsSentAgainAfterAReconnectWhatHasIsNot) {
  const Agent agent = Enrol("web1");
  auto peer = Connect(agent);
  const std::string ended = LaunchNew();
  peer->ReadActionEnvelope();
  Deliver(*peer, SummaryRecord(ended, 1, v1::OUTCOME_CLEAN, 0));
  const std::string running = LaunchNew();
  peer->ReadActionEnvelope();
  Deliver(*peer, RowsRecord(running, 1, {"a"}));
  peer.reset();
  peer = Connect(agent);
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(peer->ReadActionEnvelope()));
  EXPECT_NE(envelope.payload().find(running), std::string::npos);
  // As an agent's journal answers.
  v1::ResultRecord refusal;
  refusal.set_action_id(running);
  refusal.mutable_refusal()->set_reason(v1::Refusal::REASON_REPLAYED);
  Deliver(*peer, refusal);
  EXPECT_EQ(ProgressOf(running).running(), 1u);
  Deliver(*peer, SummaryRecord(running, 2, v1::OUTCOME_FOUND, 1));
  EXPECT_EQ(ProgressOf(running).found(), 1u);
}

TEST_F(DispatchEndToEndTest, RestartedSchedulerGoesOnWhereItWas) {
  const Agent agent = Enrol("web1");
  std::string id;
  {
    const auto peer = Connect(agent);
    id = LaunchNew();
    peer->ReadActionEnvelope();
    Deliver(*peer, RowsRecord(id, 1, {"a"}));
    Stop();
    EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  Start();
  const auto peer = Connect(agent);
  EXPECT_NE(peer->ReadActionEnvelope(), "");
  Deliver(*peer, RowsRecord(id, 1, {"a"}));
  Deliver(*peer, SummaryRecord(id, 2, v1::OUTCOME_FOUND, 1));
  const auto events = Watch(id);
  EXPECT_EQ(RowsOf(events), std::vector<std::string>{"a"});
  EXPECT_EQ(StateOf(events, agent.id).state(), v1::DISPATCH_STATE_FOUND);
}

TEST_F(DispatchEndToEndTest, WatchEndsAtOnceWhenNoAgentIsThereAndWaitsIfAsked) {
  const Agent agent = Enrol("away");
  const std::string id = LaunchNew();
  EXPECT_EQ(Watch(id).back().end().progress().waiting(), 1u);
  clock_.Advance(absl::Minutes(6));
  server_->Tick();
  EXPECT_EQ(Watch(id, /*until_expired=*/true).back().end().progress().never_sent(), 1u);
}

TEST_F(DispatchEndToEndTest, SameEnvelopeAgainIsAnsweredOtherBytesAreNot) {
  const v1::Action action = NewAction();
  const std::string envelope = Sign(action);
  v1::LaunchResponse response;
  ASSERT_TRUE(Launch(envelope, &response).ok());
  EXPECT_TRUE(Launch(envelope, &response).ok());
  EXPECT_EQ(response.action_id(), action.id());
  v1::Action other = action;
  other.set_name("something else");
  EXPECT_EQ(Launch(Sign(other), &response).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(DispatchEndToEndTest, ActionsThatNoAgentWouldObeyAreRefusedAtOnce) {
  v1::LaunchResponse response;
  const auto code = [&](const std::string& envelope) {
    return Launch(envelope, &response).error_code();
  };
  EXPECT_EQ(code("rubbish"), grpc::StatusCode::INVALID_ARGUMENT);
  v1::Action action = NewAction();
  EXPECT_EQ(code(NewEnvelope(kActionPayloadType, action.SerializeAsString()).SerializeAsString()),
            grpc::StatusCode::PERMISSION_DENIED);
  v1::Envelope by_stranger = NewEnvelope(kActionPayloadType, action.SerializeAsString());
  ASSERT_TRUE(AddSignature(*PrivateKey::Generate(KeyAlgorithm::kEd25519), &by_stranger).ok());
  EXPECT_EQ(code(by_stranger.SerializeAsString()), grpc::StatusCode::PERMISSION_DENIED);
  action.set_fleet_id("other-0123456789ab");
  EXPECT_EQ(code(Sign(action)), grpc::StatusCode::FAILED_PRECONDITION);
  action = NewAction();
  const std::string late = Sign(action);
  clock_.Advance(absl::Minutes(10));
  EXPECT_EQ(code(late), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(code(std::string(2 << 20, 'x')), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(DispatchEndToEndTest, AgentsAndActionsAreFound) {
  const Agent b = Enrol("b"), a = Enrol("a");
  const auto peer = Connect(a);
  v1::SearchAgentsRequest request;
  request.set_page_size(1);
  v1::SearchAgentsResponse response;
  ASSERT_TRUE(Api().SearchAgents(Patience().get(), request, &response).ok());
  EXPECT_EQ(response.total(), 2u);
  EXPECT_EQ(response.connected(), 1u);
  ASSERT_EQ(response.agents_size(), 1);
  EXPECT_EQ(response.agents(0).facts().name(), "a");
  EXPECT_EQ(response.agents(0).state(), v1::AgentInfo::STATE_ONLINE);
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(Api().SearchAgents(Patience().get(), request, &response).ok());
  ASSERT_EQ(response.agents_size(), 1);
  EXPECT_EQ(response.agents(0).facts().name(), "b");
  EXPECT_EQ(response.next_page_token(), "");
  request.Clear();
  request.set_target("name='b'");
  request.set_count_only(true);
  ASSERT_TRUE(Api().SearchAgents(Patience().get(), request, &response).ok());
  EXPECT_EQ(response.total(), 1u);
  EXPECT_EQ(response.agents_size(), 0);
  request.set_target("name=");
  EXPECT_EQ(Api().SearchAgents(Patience().get(), request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);

  const std::string id = LaunchNew();
  v1::GetActionRequest get;
  v1::GetActionResponse got;
  for (const std::string& fragment : {id, id.substr(0, 8), id.substr(id.size() - 6)}) {
    get.set_action_id(fragment);
    ASSERT_TRUE(Api().GetAction(Patience().get(), get, &got).ok()) << fragment;
    EXPECT_EQ(got.action().action_id(), id);
    EXPECT_EQ(got.action().signed_by(0), "alice");
  }
  get.set_action_id("abc");
  EXPECT_EQ(Api().GetAction(Patience().get(), get, &got).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  v1::ListActionsResponse list;
  ASSERT_TRUE(Api().ListActions(Patience().get(), {}, &list).ok());
  ASSERT_EQ(list.actions_size(), 1);
  EXPECT_EQ(list.actions(0).launched_by(), "alice");
  EXPECT_EQ(list.actions(0).progress().targeted(), 2u);
}

TEST_F(DispatchEndToEndTest, WatchOfAnUnknownActionIsNotFound) {
  v1::WatchRequest request;
  request.set_action_id(NewUuidV7(absl::Now()));
  const auto context = Patience();
  const auto reader = Api().Watch(context.get(), request);
  v1::WatchEvent event;
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(DispatchEndToEndTest, LargeResultsComeWholeToASlowWatcher) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string id = LaunchNew();
  peer->ReadActionEnvelope();
  constexpr int kRecords = 40;
  const std::string row(60 * 1024, 'x');
  for (int i = 1; i <= kRecords; ++i)
    Deliver(*peer, RowsRecord(id, static_cast<uint64_t>(i), {row, row, row, row}));
  Deliver(*peer, SummaryRecord(id, kRecords + 1, v1::OUTCOME_FOUND, 4 * kRecords));
  EXPECT_EQ(RowsOf(Watch(id)).size(), 4u * kRecords);
}

}  // namespace
}  // namespace dragnet::scheduler
