// Fixtures that tests of several programs share: a fleet's keys and policy, and
// signed documents, good and bad. Header-only, tests only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/action.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/release.h"
#include "core/trust_policy.h"
#include "core/uuid.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/facts.pb.h"
#include "dragnet/v1/release.pb.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::testing {

inline PrivateKey NewKey(KeyAlgorithm algorithm = KeyAlgorithm::kEd25519) {
  return *PrivateKey::Generate(algorithm);
}

// Serialised envelope of `message`, signed by `keys` in order.
inline std::string Signed(std::string_view payload_type, const google::protobuf::Message& message,
                          const std::vector<const PrivateKey*>& keys) {
  v1::Envelope envelope = NewEnvelope(payload_type, message.SerializeAsString());
  for (const PrivateKey* key : keys) AddSignature(*key, &envelope).IgnoreError();
  return envelope.SerializeAsString();
}

// A fleet: two of two root keys; alice (Ed25519) and bob (P-256) with weight 1
// each, carol in the policy without any weight; module "file" needs weight 1,
// "memory" needs 2. Releases need two of three keys in a policy that AddReleaseKeys
// was called for.
struct Fleet {
  std::string id = "test-0123456789ab";
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  std::vector<PrivateKey> roots = {NewKey(), NewKey()};
  PrivateKey alice = NewKey();
  PrivateKey bob = NewKey(KeyAlgorithm::kEcdsaP256);
  PrivateKey carol = NewKey();
  std::vector<PrivateKey> releasers = {NewKey(), NewKey(KeyAlgorithm::kEcdsaP256), NewKey()};

  RootSet Pinned() const {
    return *RootSet::Create({roots[0].public_key(), roots[1].public_key()}, 2);
  }

  v1::TrustPolicy PolicyProto(uint64_t version = 1) const {
    v1::TrustPolicy policy;
    policy.set_fleet_id(id);
    policy.set_version(version);
    *policy.mutable_issued() = ToTimestamp(now - absl::Hours(1));
    *policy.mutable_expires() = ToTimestamp(now + absl::Hours(24));
    *policy.mutable_roots() = Pinned().ToProto();
    AddInvestigator("alice", alice, &policy);
    AddInvestigator("bob", bob, &policy);
    AddInvestigator("carol", carol, &policy);
    AddModule("file", 1, {{"alice", 1}, {"bob", 1}}, &policy);
    AddModule("memory", 2, {{"alice", 1}, {"bob", 1}}, &policy);
    return policy;
  }
  std::string SignedPolicy(const v1::TrustPolicy& policy) const {
    return Signed(kTrustPolicyPayloadType, policy, {&roots[0], &roots[1]});
  }
  TrustPolicy Policy(uint64_t version = 1) const {
    return *TrustPolicy::VerifyFirst(SignedPolicy(PolicyProto(version)), Pinned(), id);
  }

  void AddReleaseKeys(v1::TrustPolicy* policy, uint32_t threshold = 2) const {
    for (const PrivateKey& key : releasers) {
      *policy->mutable_release_keys()->add_keys() = key.public_key().ToProto();
    }
    policy->mutable_release_keys()->set_threshold(threshold);
  }
  // For linux/x86_64, issued a minute ago. Its files are the words "dragnet-agent 0.2.0"
  // and so on: see ReleaseFileContent().
  v1::Release ReleaseProto(std::string_view version = "0.2.0") const {
    v1::Release release;
    release.set_version(std::string(version));
    *release.mutable_issued() = ToTimestamp(now - absl::Minutes(1));
    *release.mutable_expires() = ToTimestamp(now + absl::Hours(24));
    v1::Platform* platform = release.add_platforms();
    platform->set_os("linux");
    platform->set_arch("x86_64");
    for (const std::string_view program : kAgentPrograms) {
      const std::string content = ReleaseFileContent(program, version);
      v1::ReleaseFile* file = platform->add_files();
      file->set_name(std::string(program));
      file->set_sha256(Sha256(content));
      file->set_size(content.size());
    }
    return release;
  }
  static std::string ReleaseFileContent(std::string_view program, std::string_view version) {
    return std::string(program) + " " + std::string(version);
  }
  // By two of the release keys.
  std::string SignedRelease(const v1::Release& release) const {
    return Signed(kReleasePayloadType, release, {&releasers[0], &releasers[1]});
  }

  v1::Action ActionProto(std::string_view module = "file") const {
    v1::Action action;
    action.set_id(NewUuidV7(now));
    action.set_fleet_id(id);
    action.set_name("test action");
    action.set_target("os='linux'");
    *action.mutable_not_before() = ToTimestamp(now - absl::Minutes(1));
    *action.mutable_expires() = ToTimestamp(now + absl::Minutes(5));
    action.add_operations()->set_module(std::string(module));
    return action;
  }
  std::string SignedAction(const v1::Action& action,
                           const std::vector<const PrivateKey*>& keys) const {
    return Signed(kActionPayloadType, action, keys);
  }

  v1::Facts Facts() const {
    v1::Facts facts;
    facts.set_id("11111111-2222-4333-8444-555555555555");
    facts.set_fleet_id(id);
    facts.set_name("web1");
    facts.set_os("linux");
    (*facts.mutable_tags())["env"] = "demo";
    return facts;
  }

  static void AddInvestigator(std::string_view name, const PrivateKey& key,
                              v1::TrustPolicy* policy) {
    v1::Investigator* investigator = policy->add_investigators();
    investigator->set_name(std::string(name));
    *investigator->add_keys() = key.public_key().ToProto();
    investigator->add_roles(v1::ROLE_INVESTIGATOR);
  }
  static void AddModule(std::string_view name, uint32_t minimum,
                        const std::map<std::string, uint32_t>& weights, v1::TrustPolicy* policy) {
    v1::ModulePolicy* module = policy->add_modules();
    module->set_module(std::string(name));
    module->set_minimum_weight(minimum);
    for (const auto& [investigator, weight] : weights) {
      v1::Weight* entry = module->add_weights();
      entry->set_investigator(investigator);
      entry->set_weight(weight);
    }
  }
};

}  // namespace dragnet::testing
