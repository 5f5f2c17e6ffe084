// Keys as investigators have them: real agents obey what ssh-agent, a PKCS#11
// token, a security key and an encrypted file sign, and nothing that only looks
// like it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "console/signing/key_file.h"
#include "console/signing/testing/fake_ssh_agent.h"
#include "console/signing/testing/real_programs.h"
#include "core/envelope.h"
#include "core/ssh_testing.h"
#include "core/strings.h"
#include "tests/harness/attacked_agent.h"
#include "tests/harness/fleet.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using console::testing::FakeSshAgent;
using console::testing::RealSshAgent;
using console::testing::ScratchDirectory;
using console::testing::SoftToken;
using ::testing::HasSubstr;

constexpr char kPassphrase[] = "correct horse battery";

// A terminal on which `typed` has been typed already.
class Terminal {
 public:
  explicit Terminal(const std::string& typed) : master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    Need(master_.valid() && ::grantpt(master_.get()) == 0 && ::unlockpt(master_.get()) == 0, "pty");
    char name[128];
    Need(::ptsname_r(master_.get(), name, sizeof name) == 0, "ptsname");
    name_ = name;
    // Held open, so that what is typed isn't lost before the program opens it.
    slave_.Reset(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
    Need(::write(master_.get(), typed.data(), typed.size()) > 0, "type");
  }
  // In a new session, its leader: makes this its terminal.
  void Take() const { ::open(name_.c_str(), O_RDWR); }

 private:
  UniqueFd master_;
  UniqueFd slave_;
  std::string name_;
};

// ida has a key of each kind, by a policy of version 2.
class SigningTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new World; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }

  struct World {
    World() {
      keys.Run(
          "ssh-keygen -q -t ed25519 -N '' -f ed; ssh-keygen -q -t ecdsa -b 256 -N '' -f ec;"
          "SSH_AUTH_SOCK=agent ssh-add -q ed ec");
      keys.Write("pin", SoftToken::kPin);
      keys.Write("encrypted.key", *console::EncryptKey(encrypted, kPassphrase));
      fleet.StartScheduler();
      v1::TrustPolicy policy = fleet.forge().NextPolicy(2);
      v1::Investigator& ida = *policy.mutable_investigators(0);
      for (const PublicKey& key : {PublicFile("ed.pub"), PublicFile("ec.pub"), InToken("ed"),
                                   InToken("ec"), token.public_key(), encrypted.public_key()}) {
        *ida.add_keys() = key.ToProto();
      }
      NeedOk(fleet.api().PublishTrustPolicy(fleet.forge().SignPolicy(policy)), "publish");
      Agent& agent = fleet.AddOnlineAgent();
      Need(Eventually([&] { return fleet.InfoOf(agent)->trust_policy_version() == 2; }), "policy");
      files = fleet.MakeFiles("bait", 2);
    }
    PublicKey PublicFile(const std::string& name) {
      return NeedValue(PublicKey::FromText(keys.Content(name)), name);
    }
    std::string TokenUri(const std::string& object) const {
      return SoftToken::Uri("token=dragnet;object=" + object, "&pin-source=" + keys.Path("pin"));
    }
    PublicKey InToken(const std::string& object) {
      return NeedValue(console::OpenSigner(TokenUri(object), console::PassphrasePrompt()), object)
          ->public_key();
    }

    const ScratchDirectory keys;
    const RealSshAgent ssh_agent{keys.Path("agent")};
    const SoftToken soft_token{keys};
    FakeSecurityKey token{KeyAlgorithm::kEd25519, "ssh:dragnet"};
    const PrivateKey encrypted = NewKey();
    TestFleet fleet;
    std::string files;
  };

  static TestFleet& fleet() { return world_->fleet; }
  static const ScratchDirectory& keys() { return world_->keys; }

  // An investigation, signed with `signing_key`.
  Finished Investigate(const std::string& signing_key, const std::string& socket = "agent",
                       const Terminal* terminal = nullptr) {
    const std::string config = fleet().directory() + "/investigator/other.toml";
    Write(config, WithTomlKey(Read(fleet().console_config()), "signing_key",
                              StrCat("\"", signing_key, "\"")));
    Command command;
    command.arguments = {"dragnet", "file", "--path", world_->files, "--yes", "--output", "csv",
                         // Not for agents that come later, to be attacked.
                         "-t", "name='agent-1'"};
    command.environment = {"DRAGNET_CONFIG=" + config, "SSH_AUTH_SOCK=" + keys().Path(socket),
                           "SOFTHSM2_CONF=" + world_->soft_token.config()};
    if (terminal != nullptr) command.before_exec = [terminal] { terminal->Take(); };
    return RunToEnd(command);
  }
  static void ExpectFound(const Finished& run) {
    EXPECT_EQ(run.status(), 0) << run.err;
    EXPECT_THAT(run.out, HasSubstr("file-0"));
    EXPECT_THAT(run.out, HasSubstr("file-1"));
  }

  // ---- for a scheduler that an attacker owns

  // An agent that talks to it, made when first asked for.
  AttackedAgent& host() {
    if (host_ == nullptr) {
      host_ = std::make_unique<AttackedAgent>(fleet(), AgentOptions{.name = NextName()});
    }
    return *host_;
  }
  static std::string NextName() {
    static int number = 0;
    return StrCat("attacked-", ++number);
  }
  static std::string WithSignature(v1::Envelope envelope, const PublicKey& key,
                                   const std::string& signature) {
    v1::Signature* added = envelope.add_signatures();
    added->set_sig(signature);
    added->set_keyid(key.id());
    return envelope.SerializeAsString();
  }
  static std::string MessageOf(const v1::Envelope& envelope) {
    return PreAuthEncoding(envelope.payload_type(), envelope.payload());
  }
  v1::Envelope Unsigned() { return Forge::Unsigned(fleet().forge().NewAction(host().bait())); }
  // `ssh-keygen -Y sign`, without its armor.
  std::string SshKeygen(const std::string& key, const std::string& name_space,
                        const v1::Envelope& envelope) {
    keys().Write("m", MessageOf(envelope));
    keys().Run(StrCat("rm -f m.sig; ssh-keygen -Y sign -f ", key, " -n ", name_space,
                      " m; grep -v -- ---- m.sig | base64 -d > m.bin"));
    return keys().Content("m.bin");
  }
  void ExpectRefused(const std::string& envelope) {
    EXPECT_EQ(host().SendAction(envelope).reason(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  }

  // One for all tests: a PKCS#11 module reads its configuration once a process.
  static World* world_;
  std::unique_ptr<AttackedAgent> host_;
};

SigningTest::World* SigningTest::world_ = nullptr;

TEST_F(SigningTest, AgentsObeyWhatSshAgentSigned) {
  for (const std::string name : {"ed", "ec"}) {
    ExpectFound(Investigate(StrCat("ssh-agent:", keys().Path(name + ".pub"))));
    ExpectFound(
        Investigate(StrCat("ssh-agent:", world_->PublicFile(name + ".pub").SshFingerprint())));
  }
}

TEST_F(SigningTest, AgentsObeyWhatATokenSigned) {
  for (const std::string object : {"ed", "ec"}) ExpectFound(Investigate(world_->TokenUri(object)));
}

TEST_F(SigningTest, AgentsObeyWhatASecurityKeySigned) {
  const FakeSshAgent agent(keys().Path("sk-agent"), FakeSshAgent::Holding(world_->token));
  ExpectFound(
      Investigate(StrCat("ssh-agent:", world_->token.public_key().SshFingerprint()), "sk-agent"));
}

TEST_F(SigningTest, AnEncryptedFileAsksItsPassphraseOnTheTerminal) {
  const Terminal right(StrCat(kPassphrase, "\n"));
  ExpectFound(Investigate(keys().Path("encrypted.key"), "agent", &right));
  const Terminal second_time(StrCat("wrong\n", kPassphrase, "\n"));
  ExpectFound(Investigate(keys().Path("encrypted.key"), "agent", &second_time));
  const Terminal wrong("wrong\nwrong\nwrong\n");
  const Finished refused = Investigate(keys().Path("encrypted.key"), "agent", &wrong);
  EXPECT_NE(refused.status(), 0);
  EXPECT_THAT(refused.err, HasSubstr("wrong passphrase"));
  const Finished nobody = Investigate(keys().Path("encrypted.key"));
  EXPECT_NE(nobody.status(), 0);
  EXPECT_THAT(nobody.err, HasSubstr("no terminal"));
}

TEST_F(SigningTest, AKeyThatIsNotInThePolicyOrdersNothing) {
  keys().Run(
      "rm -f stranger*; ssh-keygen -q -t ed25519 -N '' -f stranger;"
      "SSH_AUTH_SOCK=agent ssh-add -q stranger");
  const Finished run = Investigate(StrCat("ssh-agent:", keys().Path("stranger.pub")));
  EXPECT_NE(run.status(), 0);
  EXPECT_EQ(run.out, "");
}

// ---- sent by a scheduler that an attacker owns

TEST_F(SigningTest, SignedForAnotherPurposeIsRefused) {
  for (const std::string key : {"ed", "ec"}) {
    for (const std::string name_space : {"git", "file", "dragnet2"}) {
      const v1::Envelope envelope = Unsigned();
      ExpectRefused(WithSignature(envelope, world_->PublicFile(key + ".pub"),
                                  SshKeygen(key, name_space, envelope)));
    }
  }
  host().ExpectNothingRan();
}

TEST_F(SigningTest, SignedByHandInTheRightOneRuns) {
  // Else the others say nothing.
  const v1::Envelope envelope = Unsigned();
  host().rogue().SendAction(
      WithSignature(envelope, world_->PublicFile("ed.pub"), SshKeygen("ed", "dragnet", envelope)));
  EXPECT_TRUE(
      host()
          .rogue()
          .WaitFor([&](const v1::AgentMessage& message) { return message.record().has_summary(); })
          .has_value())
      << host().agent().process().Output();
  EXPECT_EQ(host().agent().WorkersStarted(), 1U);
}

TEST_F(SigningTest, UntouchedRelabelledAndBareSecurityKeysAreRefused) {
  const FakeSecurityKey& token = world_->token;
  const PublicKey& key = token.public_key();
  v1::Envelope envelope = Unsigned();
  FakeSecurityKey untouched(token.inside(), "ssh:dragnet");
  untouched.flags = 0;
  ExpectRefused(WithSignature(envelope, key, *untouched.Sign(MessageOf(envelope))));
  envelope = Unsigned();
  const FakeSecurityKey login(token.inside(), "ssh:");
  ExpectRefused(WithSignature(envelope, key, *login.Sign(MessageOf(envelope))));
  envelope = Unsigned();
  ExpectRefused(WithSignature(envelope, key, *token.inside().Sign(MessageOf(envelope))));
  envelope = Unsigned();
  ExpectRefused(
      WithSignature(envelope, key, *SshFormSigner(token.inside()).Sign(MessageOf(envelope))));
  host().ExpectNothingRan();
}

}  // namespace
}  // namespace dragnet::testing
