// Trust policies, to an agent that holds version 3.
//   0…  an envelope as a scheduler sends it: nothing but what the roots signed is taken
//   1…  a payload that both roots sign whatever it is: what is taken keeps every rule
#include "core/envelope.h"
#include "core/trust_policy.h"
#include "tests/fuzz/fixed_fleet.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {
namespace {

struct Fixture {
  const testing::Fleet fleet = FixedFleet();
  const TrustPolicy held = fleet.Policy(3);
  const std::string next = fleet.PolicyProto(4).SerializeAsString();
};

const Fixture& TheFixture() {
  static const Fixture fixture;
  return fixture;
}

}  // namespace

std::vector<std::string> Seeds() {
  const testing::Fleet& fleet = TheFixture().fleet;
  std::vector<std::string> seeds;
  for (const uint64_t version : {3, 4}) {
    const v1::TrustPolicy policy = fleet.PolicyProto(version);
    seeds.push_back("0" + fleet.SignedPolicy(policy));
    seeds.push_back("1" + policy.SerializeAsString());
  }
  v1::TrustPolicy releasing = fleet.PolicyProto(4);
  fleet.AddReleaseKeys(&releasing);
  seeds.push_back("1" + releasing.SerializeAsString());
  seeds.push_back(
      "0" + testing::Signed(kTrustPolicyPayloadType, fleet.PolicyProto(4), {&fleet.roots[0]}));
  return seeds;
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  if (size == 0) return 0;
  const fuzz::Fixture& fixture = fuzz::TheFixture();
  const bool sign = data[0] == '1';
  std::string bytes(fuzz::ToView(data + 1, size - 1));
  if (sign) {
    v1::Envelope envelope = NewEnvelope(kTrustPolicyPayloadType, bytes);
    for (const PrivateKey& root : fixture.fleet.roots) {
      AddSignature(root, &envelope).IgnoreError();
    }
    bytes = envelope.SerializeAsString();
  }
  TrustPolicy::VerifyFirst(bytes, fixture.fleet.Pinned(), fixture.fleet.id).IgnoreError();
  TrustPolicy::FromOwnStorage(bytes, fixture.fleet.id).IgnoreError();
  const auto taken = fixture.held.VerifySuccessor(bytes, fixture.fleet.now);
  if (!taken.ok()) return 0;
  fuzz::Must(taken->version() > fixture.held.version(), "versions only rise");
  fuzz::Must(!taken->expired(fixture.fleet.now), "an expired one is not taken");
  fuzz::Must(taken->fleet_id() == fixture.fleet.id, "it is of this fleet");
  fuzz::Must(ValidateTrustPolicy(taken->proto()).ok(), "it is within its bounds");
  if (!sign) {
    fuzz::Must(taken->proto().SerializeAsString() == fixture.next, "only what was signed counts");
  }
  return 0;
}
