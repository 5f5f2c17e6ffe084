#include "tests/harness/attacked_agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/strings.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

std::string RogueAddress(int port) { return StrCat("127.0.0.1:", port); }

}  // namespace

AttackedAgent::AttackedAgent(TestFleet& fleet, AgentOptions options, bool acknowledge)
    : fleet_(fleet), rogue_port_(FreePort()) {
  agent_ = &fleet.AddOnlineAgent(options);
  bait_ = fleet.MakeFiles("bait-" + options.name, 1);
  agent_->Stop();
  rogue_ = std::make_unique<RogueScheduler>(fleet.forge(), fleet.directory(), rogue_port_,
                                            RogueScheduler::Options{.acknowledge = acknowledge});
  agent_->SetSchedulers({RogueAddress(rogue_port_)});
  agent_->Start();
  Need(rogue_->WaitForHello(), "the agent's session", agent_->process().Output());
}

v1::Refusal AttackedAgent::Answer(const std::string& envelope) {
  const std::optional<v1::ResultRecord> record = rogue_->WaitForRefusal(envelope);
  if (!record.has_value()) {
    ADD_FAILURE() << "no refusal; the agent says:\n" << agent_->process().Output();
    return v1::Refusal();
  }
  return record->refusal();
}

v1::Refusal AttackedAgent::SendAction(const std::string& envelope) {
  rogue_->SendAction(envelope);
  return Answer(envelope);
}

v1::Refusal AttackedAgent::SendPolicy(const std::string& envelope) {
  rogue_->SendPolicy(envelope);
  return Answer(envelope);
}

v1::Refusal AttackedAgent::SendOrder(const std::string& envelope) {
  rogue_->SendOrder(envelope);
  return Answer(envelope);
}

v1::Refusal AttackedAgent::RefusalInSchedulersView(const std::string& envelope) {
  agent_->Stop();
  agent_->SetSchedulers({fleet_.address()});
  agent_->Start();
  const std::string digest = Sha256(envelope);
  v1::Refusal found;
  const bool shown = Eventually([&] {
    const auto refusals = fleet_.api().ListRefusals(agent_->Id());
    if (!refusals.ok()) return false;
    for (const auto& entry : *refusals) {
      if (entry.refusal().envelope_sha256() != digest) continue;
      found = entry.refusal();
      return true;
    }
    return false;
  });
  EXPECT_TRUE(shown) << "the scheduler shows no such refusal; the agent says:\n"
                     << agent_->process().Output();
  return found;
}

void AttackedAgent::ExpectNothingRan() {
  agent_->Stop();
  EXPECT_EQ(agent_->WorkersStarted(), 0U);
  EXPECT_THAT(agent_->Journal(), ::testing::IsEmpty());
  for (const v1::AgentMessage& message : rogue_->received()) {
    EXPECT_FALSE(message.has_accepted()) << message.ShortDebugString();
    EXPECT_FALSE(message.record().has_rows()) << message.ShortDebugString();
    EXPECT_FALSE(message.record().has_summary()) << message.ShortDebugString();
  }
}

}  // namespace dragnet::testing
