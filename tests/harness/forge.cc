#include "tests/harness/forge.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "core/action.h"
#include "core/certificate.h"
#include "core/config.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "modules/file/file.pb.h"
#include "scheduler/enrolment/ca.h"
#include "tests/harness/database.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using scheduler::CertificateAuthority;
using scheduler::IssuedCertificate;

PrivateKey LoadKey(const std::string& path) { return NeedValue(PrivateKey::Load(path), path); }

// Those that begin with `kind`: "root-", "release-".
std::vector<PrivateKey> LoadKeys(const std::string& directory, std::string_view kind) {
  std::vector<PrivateKey> keys;
  for (const std::string& name : Names(directory)) {
    if (name.starts_with(kind) && name.ends_with(".key")) {
      keys.push_back(LoadKey(StrCat(directory, "/", name)));
    }
  }
  return keys;
}

std::vector<const PrivateKey*> All(const std::vector<PrivateKey>& keys) {
  std::vector<const PrivateKey*> all;
  for (const PrivateKey& key : keys) all.push_back(&key);
  return all;
}

IssuedCertificate IssueFrom(const CertificateAuthority& ca, const std::string& fleet_id,
                            const Forge::Owner& owner, const PublicKey& key, absl::Time from,
                            absl::Duration lifetime) {
  if (owner.kind == "agent") {
    return NeedValue(ca.IssueAgent(key, fleet_id, owner.name, from, lifetime), "issue");
  }
  if (owner.kind == "investigator") {
    return NeedValue(ca.IssueInvestigator(key, fleet_id, owner.name, from, lifetime), "issue");
  }
  scheduler::ServerNames names;
  names.dns = {"localhost"};
  names.ip = {"127.0.0.1"};
  return NeedValue(ca.IssueServer(key, fleet_id, names, from, lifetime), "issue");
}

TlsPair IssuePair(const CertificateAuthority& ca, const std::string& fleet_id,
                  const Forge::Owner& owner, absl::Time from, absl::Duration lifetime) {
  const PrivateKey key = NewKey(KeyAlgorithm::kEcdsaP256);
  return {IssueFrom(ca, fleet_id, owner, key.public_key(), from, lifetime).chain_pem, key.ToPem()};
}

}  // namespace

Forge::Forge(std::string fleet_directory, std::string investigator)
    : directory_(std::move(fleet_directory)),
      investigator_(std::move(investigator)),
      ca_pem_(Read(directory_ + "/scheduler/ca.pem")),
      ca_key_(Read(directory_ + "/scheduler/ca.key")),
      roots_(LoadKeys(directory_ + "/root", "root-")),
      releasers_(LoadKeys(directory_ + "/root", "release-")),
      investigator_key_(LoadKey(directory_ + "/investigator/signing.key")) {
  const std::vector<std::string> policies = TestDatabase(directory_ + "/scheduler/dragnet.db")
                                                .Texts("SELECT envelope FROM trust_policies");
  Need(policies.size() == 1, "the first trust policy");
  v1::Envelope envelope;
  Need(envelope.ParseFromString(policies[0]) && first_policy_.ParseFromString(envelope.payload()),
       "parse the first trust policy");
  fleet_id_ = first_policy_.fleet_id();
}

TlsPair Forge::investigator_tls() const {
  return {Read(directory_ + "/investigator/tls.pem"), Read(directory_ + "/investigator/tls.key")};
}

v1::Action Forge::NewAction(const std::string& directory) const {
  const absl::Time now = absl::Now();
  v1::Action action;
  action.set_id(NewUuidV7(now));
  action.set_fleet_id(fleet_id_);
  action.set_name("end to end test");
  action.set_target("true");
  *action.mutable_not_before() = ToTimestamp(now - absl::Minutes(1));
  *action.mutable_expires() = ToTimestamp(now + absl::Minutes(5));
  file::v1::FileParameters parameters;
  parameters.add_searches()->add_paths(directory);
  v1::Operation* operation = action.add_operations();
  operation->set_module("file");
  operation->set_parameters(parameters.SerializeAsString());
  return action;
}

std::string Forge::Sign(const v1::Action& action) const {
  return Sign(action, {&investigator_key_});
}

std::string Forge::Sign(const v1::Action& action, const std::vector<const PrivateKey*>& keys) {
  return Signed(kActionPayloadType, action, keys);
}

v1::Envelope Forge::Unsigned(const v1::Action& action) {
  return NewEnvelope(kActionPayloadType, action.SerializeAsString());
}

v1::Order Forge::NewOrder(const v1::Action& action, v1::Order::Kind kind) const {
  static int made = 0;  // ids have milliseconds
  const absl::Time issued = absl::Now() + absl::Milliseconds(++made);
  v1::Order order;
  order.set_id(NewUuidV7(issued));
  order.set_fleet_id(fleet_id_);
  order.set_action_id(action.id());
  order.set_kind(kind);
  order.set_reason("end to end test");
  *order.mutable_issued() = ToTimestamp(issued);
  *order.mutable_expires() = action.expires();
  return order;
}

std::string Forge::SignOrder(const v1::Order& order) const {
  return Signed(kOrderPayloadType, order, {&investigator_key_});
}

v1::TrustPolicy Forge::NextPolicy(uint64_t version) const {
  v1::TrustPolicy policy = first_policy_;
  policy.set_version(version);
  return policy;
}

v1::ModulePolicy& Forge::RuleFor(std::string_view module, v1::TrustPolicy* policy) {
  for (v1::ModulePolicy& rule : *policy->mutable_modules())
    if (rule.module() == module) return rule;
  ADD_FAILURE() << "the policy has no rule for " << module;
  return *policy->add_modules();
}

std::string Forge::SignPolicy(const v1::TrustPolicy& policy) const {
  return SignPolicy(policy, All(roots_));
}

std::string Forge::SignPolicy(const v1::TrustPolicy& policy,
                              const std::vector<const PrivateKey*>& keys) {
  return Signed(kTrustPolicyPayloadType, policy, keys);
}

v1::Release Forge::NewRelease(std::string_view version, std::string_view os, std::string_view arch,
                              const std::vector<Program>& programs) {
  static int made = 0;
  const absl::Time issued = absl::Now() + absl::Milliseconds(++made);
  v1::Release release;
  release.set_version(std::string(version));
  *release.mutable_issued() = ToTimestamp(issued);
  *release.mutable_expires() = ToTimestamp(issued + absl::Hours(1));
  v1::Platform* platform = release.add_platforms();
  platform->set_os(std::string(os));
  platform->set_arch(std::string(arch));
  for (const Program& program : programs) {
    v1::ReleaseFile* file = platform->add_files();
    file->set_name(program.name);
    file->set_sha256(Sha256(program.content));
    file->set_size(program.content.size());
  }
  return release;
}

std::string Forge::SignRelease(const v1::Release& release) const {
  return SignRelease(release, All(releasers_));
}

std::string Forge::SignRelease(const v1::Release& release,
                               const std::vector<const PrivateKey*>& keys) {
  return Signed(kReleasePayloadType, release, keys);
}

TlsPair Forge::Issue(const Owner& owner, absl::Time from, absl::Duration lifetime) const {
  const CertificateAuthority ca =
      NeedValue(CertificateAuthority::Load(ca_pem_, ca_key_, absl::Now()), "load CA");
  return IssuePair(ca, fleet_id_, owner, from, lifetime);
}

TlsPair Forge::IssueByOtherCa(const Owner& owner) const {
  const absl::Time now = absl::Now();
  const CertificateAuthority ca = NeedValue(CertificateAuthority::Create(fleet_id_, now), "CA");
  return IssuePair(ca, fleet_id_, owner, now, absl::Hours(1));
}

std::string Forge::IssueAgent(std::string_view signing_request, const std::string& agent_id) const {
  const absl::Time now = absl::Now();
  const CertificateAuthority ca =
      NeedValue(CertificateAuthority::Load(ca_pem_, ca_key_, now), "load CA");
  const PublicKey key = NeedValue(ParseSigningRequest(signing_request), "signing request");
  return IssueFrom(ca, fleet_id_, {"agent", agent_id}, key, now, absl::Hours(1)).chain_pem;
}

}  // namespace dragnet::testing
