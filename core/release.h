// Which builds of the agent may be taken: signed releases. One implementation for the
// console (before it rolls out) and the agent, whose answer alone counts.
// Thread-safe: no state.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/trust_policy.h"
#include "dragnet/v1/release.pb.h"

namespace dragnet {

inline constexpr size_t kMaxReleaseBytes = 32 * 1024;
inline constexpr size_t kMaxReleaseEnvelopeBytes = 64 * 1024;
inline constexpr absl::Duration kMaxReleaseLifetime = absl::Hours(1098 * 24);
// How far the clocks of who signed a release and of who takes it may be apart.
inline constexpr absl::Duration kReleaseClockSkew = absl::Minutes(5);
// What an agent consists of, in the order of the fields of UpgradeParameters.
inline constexpr std::string_view kAgentPrograms[] = {"dragnet-agent", "dragnet-link",
                                                      "dragnet-worker"};
inline constexpr uint64_t kMaxReleaseFileBytes = uint64_t{32} << 20;

// Semantic Versioning 2.0.0, section 11, without build metadata.
class Version {
 public:
  // InvalidArgument unless it is MAJOR.MINOR.PATCH[-PRERELEASE], of at most 64 bytes.
  static absl::StatusOr<Version> Parse(std::string_view text);

  std::strong_ordering operator<=>(const Version& other) const;
  bool operator==(const Version& other) const { return (*this <=> other) == 0; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  uint64_t numbers_[3] = {};
  std::vector<std::string> prerelease_;
};

// 1 to 64 characters of [a-z0-9._-], starting with a letter or digit.
bool IsReleaseGroup(std::string_view group);

// Everything that release.proto states and that needs neither clock nor policy.
// InvalidArgument names the field.
absl::Status ValidateRelease(const v1::Release& release);

// ParseStrict, then ValidateRelease.
absl::StatusOr<v1::Release> ParseRelease(std::string_view payload);

// What a release is decided over.
struct ReleaseContext {
  // Null: no policy is held, everything is refused.
  const TrustPolicy* policy = nullptr;
  absl::Time now;
  // Of the agent: as in Facts.
  std::string_view os;
  std::string_view arch;
  // That runs now.
  std::string_view version;
  // `release_group` of agent.toml.
  std::string_view group;
  // When the last release that this agent took was issued; InfinitePast: it took none.
  absl::Time last_issued = absl::InfinitePast();
};

struct AuthorizedRelease {
  v1::Release release;
  // That of the agent.
  v1::Platform platform;
};

// "linux/x86_64": of which platform something is, for people.
std::string PlatformName(std::string_view os, std::string_view arch);

// Checks in this order, and stops at the first that fails: size and form of the
// envelope, policy held and not expired, signatures (the threshold of the policy's
// release keys, or of its root keys), form of the release, time (issued at most
// kReleaseClockSkew ahead, not expired, not issued before the last one that was taken),
// group, platform, version: higher than the one that runs, unless root keys signed a
// downgrade; not from below its minimum_version.
//
// InvalidArgument: malformed. PermissionDenied: signatures. AlreadyExists: this version
// runs. FailedPrecondition: everything that another time, policy or host decides.
absl::StatusOr<AuthorizedRelease> AuthorizeRelease(std::string_view envelope_bytes,
                                                   const ReleaseContext& context);

// Who made it good. Root keys count for themselves only, never as release keys.
enum class ReleaseAuthority { kReleaseKeys, kRootKeys };

// A release of which everything is checked that doesn't depend on an agent: form,
// policy, signatures (root keys', where it is a downgrade) and time, but for that of
// the release taken before. Status codes as of AuthorizeRelease.
struct VerifiedRelease {
  v1::Release release;
  ReleaseAuthority authority = ReleaseAuthority::kReleaseKeys;
};
absl::StatusOr<VerifiedRelease> VerifyRelease(std::string_view envelope_bytes,
                                              const TrustPolicy* policy, absl::Time now);

}  // namespace dragnet
