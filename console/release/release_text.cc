#include "console/release/release_text.h"

#include <algorithm>

#include "console/form/describe.h"
#include "console/output/cell.h"
#include "console/trust/signatures.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/release.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string TimeWords(const google::protobuf::Timestamp& timestamp) {
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  return time.ok() ? LocalTime(*time) : "not a time";
}

std::string ExpiryWords(const v1::Release& release, absl::Time now) {
  const absl::StatusOr<absl::Time> expires = ToTime(release.expires());
  const bool expired = expires.ok() && *expires < now;
  return StrCat(TimeWords(release.expires()), expired ? " (EXPIRED: no agent takes it)" : "");
}

// A signature that no block about release and root keys shows.
bool IsBesides(const SignatureState& state) {
  return state.validity == SignatureValidity::kUnknownKey ||
         state.validity == SignatureValidity::kRepeated;
}

}  // namespace

std::string DescribeRelease(const v1::Release& release, absl::Time now) {
  std::vector<DescriptionLine> lines = {
      {"Release", release.version()},
      {"Issued", TimeWords(release.issued())},
      {"Expires", ExpiryWords(release, now)},
      {"Upgrades", release.minimum_version().empty()
                       ? std::string("agents of any lower version")
                       : StrCat("agents of version ", release.minimum_version(), " and higher")},
      {"Group", release.group().empty()
                    ? std::string("every agent")
                    : StrCat("only agents with release_group = \"", release.group(), "\"")}};
  if (release.downgrade()) {
    lines.push_back(
        {"DOWNGRADE", "agents of a higher version go back to it; takes the root keys' signatures"});
  }
  if (!release.notes().empty()) lines.push_back({"Notes", release.notes()});
  std::string text = DescribeLines(lines);
  for (const v1::Platform& platform : release.platforms()) {
    StrAppend(&text, "Programs for ", PlatformName(platform.os(), platform.arch()), "\n");
    for (const v1::ReleaseFile& file : platform.files()) {
      StrAppend(&text, "  ", HexEncode(file.sha256()), "  ", ForTerminal(file.name()), "  ",
                file.size(), " bytes\n");
    }
  }
  return text;
}

std::string DescribeReleaseSignatures(const v1::Envelope& envelope, const v1::Release& release,
                                      const TrustPolicy& policy) {
  const std::string of_policy = StrCat("of trust policy version ", policy.version());
  std::string text;
  if (policy.release_keys().has_value()) {
    text =
        DescribeKeySignatures(envelope, *policy.release_keys(), StrCat("Release keys ", of_policy));
  } else {
    text = StrCat("Release keys ", of_policy, ": none: only the root keys make a release\n");
  }
  std::vector<const PublicKey*> roots;
  for (const PublicKey& key : policy.roots().keys()) roots.push_back(&key);
  if (release.downgrade() || !policy.release_keys().has_value() ||
      !ValidSigners(envelope, roots).empty()) {
    text.append(DescribeRootSignatures(envelope, policy.roots(), of_policy));
  }
  const std::vector<SignatureState> states = SignatureStates(envelope, KeysOfReleases(policy));
  std::vector<SignatureState> besides;
  std::copy_if(states.begin(), states.end(), std::back_inserter(besides), IsBesides);
  if (!besides.empty()) StrAppend(&text, "Besides these\n", DescribeSignatures(besides));
  return text;
}

std::string ReleaseVerdict(const absl::Status& verified) {
  if (verified.ok()) return "Agents whom it is for may take this release.\n";
  return StrCat("No agent takes this release: ", ForTerminal(ToStd(verified.message())), "\n");
}

}  // namespace dragnet::console
