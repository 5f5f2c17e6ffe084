#include "console/signing/agent_signer.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <vector>

#include "console/signing/testing/fake_ssh_agent.h"
#include "console/signing/testing/real_programs.h"
#include "core/ssh_signature.h"
#include "core/unique_fd.h"
#include "gmock/gmock.h"

namespace dragnet::console {
namespace {

using ::dragnet::testing::FakeSecurityKey;
using ::testing::AllOf;
using testing::FakeSshAgent;
using ::testing::HasSubstr;
using testing::RealSshAgent;

absl::StatusOr<std::string> NeverAsked(std::string_view) {
  ADD_FAILURE() << "ssh-agent asks for itself";
  return absl::InternalError("asked");
}

class AgentSignerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Signer>> Open(const std::string& which,
                                               const std::string& socket) {
    return OpenSigner("ssh-agent:" + which, NeverAsked, testing::AgentEnvironment(socket));
  }
  std::string WhyNot(const std::string& which, const std::string& socket) {
    return std::string(Open(which, socket).status().message());
  }
  std::string Socket() const { return directory_.Path("agent"); }

  const testing::ScratchDirectory directory_;
};

TEST_F(AgentSignerTest, SignsWithWhatARealAgentHoldsByFileAndByFingerprint) {
  const RealSshAgent agent(Socket());
  for (const std::string type : {"ed25519", "ecdsa -b 256"}) {
    directory_.Run(StrCat("rm -f key key.pub; ssh-keygen -q -N '' -f key -t ", type,
                          "; SSH_AUTH_SOCK=agent ssh-add -q key; rm key"));
    const PublicKey key = *PublicKey::FromText(directory_.Content("key.pub"));
    for (const std::string& which : {directory_.Path("key.pub"), key.SshFingerprint()}) {
      const auto signer = Open(which, Socket());
      ASSERT_TRUE(signer.ok()) << signer.status();
      EXPECT_EQ((*signer)->public_key().id(), key.id());
      const std::string signature = *(*signer)->Sign("message");
      EXPECT_TRUE(key.Verify("message", signature));
      EXPECT_FALSE(key.Verify("other", signature));
      EXPECT_TRUE(signature.starts_with("SSHSIG"));
    }
    directory_.Write("key.pem", key.ToPem());
    EXPECT_TRUE(Open(directory_.Path("key.pem"), Socket()).ok()) << "its PEM file does as well";
  }
}

TEST_F(AgentSignerTest, AnAgentThatTakesNoConnectionsIsNotWaitedFor) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(Socket().size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, Socket().data(), Socket().size());
  const auto* const name = reinterpret_cast<const sockaddr*>(&address);
  const UniqueFd hangs(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(hangs.get(), name, sizeof address), 0);
  ASSERT_EQ(::listen(hangs.get(), 0), 0);
  // As many as it keeps waiting.
  std::vector<UniqueFd> waiting;
  while (true) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), name, sizeof address) != 0) break;
    waiting.push_back(std::move(fd));
    ASSERT_LT(waiting.size(), 100u);
  }
  const auto signer = Open("SHA256:" + std::string(43, 'A'), Socket());
  EXPECT_TRUE(absl::IsUnavailable(signer.status())) << signer.status();
  EXPECT_THAT(std::string(signer.status().message()), HasSubstr("takes no connections"));
}

TEST_F(AgentSignerTest, AKeyThatIsNotThereSaysWhatToDo) {
  const RealSshAgent agent(Socket());
  directory_.Run("ssh-keygen -q -N '' -f key -t ed25519");
  const PublicKey key = *PublicKey::FromText(directory_.Content("key.pub"));
  EXPECT_THAT(WhyNot(directory_.Path("key.pub"), Socket()),
              AllOf(HasSubstr(key.SshFingerprint()), HasSubstr("ssh-add")));
  EXPECT_THAT(WhyNot("SHA256:nothing", Socket()), HasSubstr("ssh-add"));
  EXPECT_THAT(WhyNot(directory_.Path("key"), Socket()), HasSubstr("private key"));
  EXPECT_THAT(WhyNot("", Socket()), HasSubstr("which key"));
  EXPECT_THAT(WhyNot(directory_.Path("missing.pub"), Socket()), HasSubstr("No such file"));
  // Added, opened, and taken out again before it signs.
  directory_.Run("SSH_AUTH_SOCK=agent ssh-add -q key");
  const auto signer = Open(key.SshFingerprint(), Socket());
  directory_.Run("SSH_AUTH_SOCK=agent ssh-add -q -D");
  EXPECT_THAT(std::string((*signer)->Sign("message").status().message()),
              AllOf(HasSubstr("refused"), HasSubstr(key.SshFingerprint())));
}

TEST_F(AgentSignerTest, WithoutAnAgentItSaysSo) {
  directory_.Run("ssh-keygen -q -N '' -f key -t ed25519");
  EXPECT_THAT(WhyNot(directory_.Path("key.pub"), ""), HasSubstr("SSH_AUTH_SOCK"));
  EXPECT_THAT(WhyNot(directory_.Path("key.pub"), Socket()), HasSubstr("SSH_AUTH_SOCK"));
  EXPECT_THAT(WhyNot(directory_.Path("key.pub"), std::string(200, 'x')), HasSubstr("longer"));
}

TEST_F(AgentSignerTest, ALockedAgentRefuses) {
  const RealSshAgent agent(Socket());
  directory_.Run("ssh-keygen -q -N '' -f key -t ed25519; SSH_AUTH_SOCK=agent ssh-add -q key");
  // It hides its keys.
  directory_.Run(
      "printf '#!/bin/sh\\necho pass\\n' > ask; chmod 700 ask;"
      "SSH_AUTH_SOCK=agent SSH_ASKPASS=./ask SSH_ASKPASS_REQUIRE=force ssh-add -x");
  EXPECT_THAT(WhyNot(directory_.Path("key.pub"), Socket()), HasSubstr("ssh-add"));
}

TEST_F(AgentSignerTest, SignsWithSecurityKeys) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256}) {
    const FakeSecurityKey token(algorithm, "ssh:dragnet");
    const FakeSshAgent agent(Socket(), FakeSshAgent::Holding(token));
    directory_.Write("sk.pub", dragnet::testing::OpenSshLine(token.public_key()));
    const auto signer = Open(directory_.Path("sk.pub"), Socket());
    ASSERT_TRUE(signer.ok()) << signer.status();
    EXPECT_TRUE(token.public_key().Verify("message", *(*signer)->Sign("message")));
  }
}

TEST_F(AgentSignerTest, ATokenThatWasNotTouchedGivesNoSignature) {
  FakeSecurityKey token;
  token.flags = 0;
  const FakeSshAgent agent(Socket(), FakeSshAgent::Holding(token));
  const auto signer = Open(token.public_key().SshFingerprint(), Socket());
  EXPECT_THAT(std::string((*signer)->Sign("message").status().message()), HasSubstr("touched"));
}

TEST_F(AgentSignerTest, WhatDoesNotVerifyIsNotUsed) {
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEd25519);
  const PrivateKey other = *PrivateKey::Generate(KeyAlgorithm::kEd25519);
  std::string signature;
  const FakeSshAgent agent(Socket(), [&](std::string_view request) {
    if (request[0] == 11) return FakeSshAgent::ListOf(key.public_key().ToSshBlob());
    return FakeSshAgent::SignatureAnswer(signature);
  });
  const auto signer = Open(key.public_key().SshFingerprint(), Socket());
  ASSERT_TRUE(signer.ok());
  for (const std::string& bad :
       {std::string(), std::string("x"), std::string(300, 'x'),
        dragnet::testing::PlainSshSignature(other, SshSignedData("message")),
        dragnet::testing::PlainSshSignature(key, SshSignedData("another")),
        dragnet::testing::PlainSshSignature(key, "message"),
        dragnet::testing::PlainSshSignature(key, SshSignedData("message")) + "x"}) {
    signature = bad;
    const auto signed_ = (*signer)->Sign("message");
    EXPECT_EQ(signed_.status().code(), absl::StatusCode::kDataLoss) << bad;
  }
  signature = dragnet::testing::PlainSshSignature(key, SshSignedData("message"));
  EXPECT_TRUE((*signer)->Sign("message").ok());
}

TEST_F(AgentSignerTest, AnAgentThatAnswersNonsenseIsRefused) {
  std::string key_list = FakeSshAgent::ListOf("blob");
  std::string many(1, 12);
  AppendWireUint32(&many, 0x7fffffff);
  std::string too_large;
  AppendWireUint32(&too_large, 0x7fffffff);
  for (const std::string& answer :
       {std::string(), std::string("\0\0\0\0", 4), too_large, FakeSshAgent::Failure(),
        FakeSshAgent::Framed(std::string(1, 14)), FakeSshAgent::Framed(std::string(1, 12)),
        FakeSshAgent::Framed(many), FakeSshAgent::Framed(key_list.substr(4) + "x"),
        FakeSshAgent::Framed(key_list.substr(4, key_list.size() - 6))}) {
    const FakeSshAgent agent(Socket(), [&](std::string_view) { return answer; });
    EXPECT_EQ(Open("SHA256:x", Socket()).status().code(), absl::StatusCode::kDataLoss)
        << Open("SHA256:x", Socket()).status();
  }
}

TEST_F(AgentSignerTest, AKeyOfAnotherTypeIsRefusedByName) {
  const RealSshAgent agent(Socket());
  directory_.Run("ssh-keygen -q -N '' -f key -t rsa -b 2048; SSH_AUTH_SOCK=agent ssh-add -q key");
  const std::string line = directory_.Run("ssh-keygen -l -f key.pub");
  const size_t at = line.find("SHA256:");
  EXPECT_THAT(WhyNot(line.substr(at, line.find(' ', at) - at), Socket()), HasSubstr("ssh-rsa"));
}

}  // namespace
}  // namespace dragnet::console
