// Which builds of the agent are taken, over a fixed fleet and an agent of 0.1.0.
//   0…  an envelope as a scheduler sends it: no change of what was signed holds
//   1…  a payload that two release keys sign whatever it is: what is taken keeps every rule
//   2…  the same with the root keys
//   3…  two versions, with a blank between them
#include "core/action.h"
#include "core/envelope.h"
#include "core/release.h"
#include "tests/fuzz/fixed_fleet.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {
namespace {

struct Fixture {
  const testing::Fleet fleet = FixedFleet();
  const TrustPolicy policy = Policy(fleet);
  const v1::Release release = fleet.ReleaseProto();
  const std::string payload = release.SerializeAsString();

  static TrustPolicy Policy(const testing::Fleet& fleet) {
    v1::TrustPolicy policy = fleet.PolicyProto();
    fleet.AddReleaseKeys(&policy);
    return *TrustPolicy::VerifyFirst(fleet.SignedPolicy(policy), fleet.Pinned(), fleet.id);
  }
  ReleaseContext Context() const {
    ReleaseContext context;
    context.policy = &policy;
    context.now = fleet.now;
    context.os = "linux";
    context.arch = "x86_64";
    context.version = "0.1.0";
    context.group = "beta";
    context.last_issued = fleet.now - absl::Hours(1);
    return context;
  }
};

const Fixture& TheFixture() {
  static const Fixture fixture;
  return fixture;
}

void CheckRules(const AuthorizedRelease& authorized, bool by_roots) {
  const ReleaseContext context = TheFixture().Context();
  const v1::Release& release = authorized.release;
  Must(ValidateRelease(release).ok(), "it is within its bounds");
  Must(!release.downgrade() || by_roots, "only root keys go back");
  const Version version = *Version::Parse(release.version());
  const Version running = *Version::Parse(context.version);
  Must(version != running, "what runs is not taken again");
  Must(version > running || release.downgrade(), "versions only rise");
  Must(*ToTime(release.issued()) >= context.last_issued, "an older one is not played back");
  Must(*ToTime(release.issued()) <= context.now + kReleaseClockSkew, "it isn't of the future");
  Must(*ToTime(release.expires()) >= context.now, "an expired one is not taken");
  Must(release.group().empty() || release.group() == context.group, "it is for this group");
  Must(authorized.platform.os() == context.os && authorized.platform.arch() == context.arch,
       "it is for this platform");
  Must(authorized.platform.files_size() == 3, "it is all of its programs");
}

void CheckVersions(std::string_view text) {
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return;
  const auto a = Version::Parse(text.substr(0, blank));
  const auto b = Version::Parse(text.substr(blank + 1));
  if (!a.ok() || !b.ok()) return;
  Must((*a == *b) == (a->text() == b->text()), "a version has one spelling");
  Must((*a < *b) == (*b > *a), "one of two is the lower one");
  Must(a->text().find('/') == std::string::npos, "it is the name of a directory");
}

}  // namespace

std::vector<std::string> Seeds() {
  const testing::Fleet& fleet = TheFixture().fleet;
  const v1::Release& release = TheFixture().release;
  std::vector<std::string> seeds;
  seeds.push_back("0" + fleet.SignedRelease(release));
  seeds.push_back(
      "0" + testing::Signed(kReleasePayloadType, release, {&fleet.roots[0], &fleet.roots[1]}));
  seeds.push_back("0" + testing::Signed(kReleasePayloadType, release, {&fleet.releasers[0]}));
  seeds.push_back("0" + testing::Signed(kActionPayloadType, release,
                                        {&fleet.releasers[0], &fleet.releasers[1]}));
  seeds.push_back("1" + release.SerializeAsString());
  v1::Release other = fleet.ReleaseProto("0.0.9-rc.1");
  other.set_downgrade(true);
  other.set_group("beta");
  other.set_minimum_version("0.0.1");
  other.set_notes("for people");
  seeds.push_back("1" + other.SerializeAsString());
  seeds.push_back("2" + other.SerializeAsString());
  seeds.push_back(
      "3"
      "0.2.0-rc.1 0.2.0-rc.10");
  seeds.push_back(
      "3"
      "1.0.0-alpha.beta 1.0.0");
  return seeds;
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  if (size == 0) return 0;
  const fuzz::Fixture& fixture = fuzz::TheFixture();
  std::string bytes(fuzz::ToView(data + 1, size - 1));
  if (data[0] == '3') {
    fuzz::CheckVersions(bytes);
    return 0;
  }
  const bool by_roots = data[0] == '2';
  const bool sign = by_roots || data[0] == '1';
  if (sign) {
    const auto& keys = by_roots ? fixture.fleet.roots : fixture.fleet.releasers;
    v1::Envelope envelope = NewEnvelope(kReleasePayloadType, bytes);
    for (const PrivateKey& key : keys) AddSignature(key, &envelope).IgnoreError();
    bytes = envelope.SerializeAsString();
  }
  const auto authorized = AuthorizeRelease(bytes, fixture.Context());
  if (!authorized.ok()) {
    fuzz::Must(!authorized.status().message().empty(), "a refusal has words");
    return 0;
  }
  fuzz::CheckRules(*authorized, by_roots);
  if (!sign) {
    v1::Envelope envelope;
    envelope.ParseFromString(bytes);
    fuzz::Must(envelope.payload() == fixture.payload, "only what was signed is taken");
  }
  return 0;
}
