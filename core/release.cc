#include "core/release.h"

#include <algorithm>
#include <set>

#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"

namespace dragnet {
namespace {

constexpr size_t kMaxNotes = 4096;
constexpr int kMaxPlatforms = 16;
constexpr size_t kMaxPlatformWord = 32;
constexpr size_t kSha256Bytes = 32;

absl::Status Invalid(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat("release ", field, ": ", problem));
}

std::string Format(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

bool IsPlatformWord(std::string_view word) {
  return !word.empty() && word.size() <= kMaxPlatformWord &&
         std::all_of(word.begin(), word.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

absl::Status ValidateVersions(const v1::Release& release) {
  const absl::StatusOr<Version> version = Version::Parse(release.version());
  if (!version.ok()) return Invalid("version", ToStd(version.status().message()));
  if (release.minimum_version().empty()) return absl::OkStatus();
  const absl::StatusOr<Version> minimum = Version::Parse(release.minimum_version());
  if (!minimum.ok()) return Invalid("minimum_version", ToStd(minimum.status().message()));
  if (*minimum > *version && !release.downgrade()) {
    return Invalid("minimum_version", StrCat(minimum->text(), " is above version ", version->text(),
                                             ": no agent could take it"));
  }
  return absl::OkStatus();
}

absl::Status ValidateTimes(const v1::Release& release) {
  const absl::StatusOr<absl::Time> issued = ToTime(release.issued());
  const absl::StatusOr<absl::Time> expires = ToTime(release.expires());
  if (!release.has_issued() || !issued.ok()) return Invalid("issued", "missing or not a time");
  if (!release.has_expires() || !expires.ok()) return Invalid("expires", "missing or not a time");
  if (*expires <= *issued) return Invalid("expires", "not after issued");
  if (*expires - *issued > kMaxReleaseLifetime) {
    return Invalid("expires", "more than 1098 days after issued");
  }
  return absl::OkStatus();
}

// A platform is all of its programs: what isn't signed together is never mixed.
absl::Status ValidateFiles(const v1::Platform& platform, std::string_view field) {
  std::set<std::string> names;
  for (const v1::ReleaseFile& file : platform.files()) {
    if (std::find(std::begin(kAgentPrograms), std::end(kAgentPrograms), file.name()) ==
        std::end(kAgentPrograms)) {
      return Invalid(field, "a file that is none of dragnet-agent, dragnet-link, dragnet-worker");
    }
    if (!names.insert(file.name()).second) {
      return Invalid(field, StrCat(file.name(), " is listed twice"));
    }
    if (file.sha256().size() != kSha256Bytes) {
      return Invalid(field, StrCat(file.name(), ": its SHA-256 is ", file.sha256().size(),
                                   " bytes, must be ", kSha256Bytes));
    }
    if (file.size() < 1 || file.size() > kMaxReleaseFileBytes) {
      return Invalid(field, StrCat(file.name(), ": size ", file.size(), ", must be 1 to ",
                                   kMaxReleaseFileBytes));
    }
  }
  for (const std::string_view program : kAgentPrograms) {
    if (!names.contains(std::string(program)))
      return Invalid(field, StrCat(program, " is missing"));
  }
  return absl::OkStatus();
}

absl::Status ValidatePlatforms(const v1::Release& release) {
  if (release.platforms_size() < 1 || release.platforms_size() > kMaxPlatforms) {
    return Invalid("platforms", StrCat(release.platforms_size(), ", must be 1 to ", kMaxPlatforms));
  }
  std::set<std::string> names;
  for (const v1::Platform& platform : release.platforms()) {
    if (!IsPlatformWord(platform.os()) || !IsPlatformWord(platform.arch())) {
      return Invalid("platforms", "os or arch is not 1 to 32 characters of [a-z0-9_]");
    }
    const std::string field = StrCat("platform ", PlatformName(platform.os(), platform.arch()));
    if (!names.insert(field).second) return Invalid(field, "listed twice");
    DRAGNET_RETURN_IF_ERROR(ValidateFiles(platform, field));
  }
  return absl::OkStatus();
}

absl::Status CheckPolicy(const TrustPolicy* policy, absl::Time now) {
  if (policy == nullptr) return absl::FailedPreconditionError("no trust policy is held yet");
  if (!policy->expired(now)) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat("trust policy version ", policy->version(),
                                              " expired on ", Format(policy->expires()),
                                              ", this clock says ", Format(now)));
}

// Root keys are counted by themselves: one of them doesn't fill up release keys.
absl::StatusOr<ReleaseAuthority> CheckSignatures(const v1::Envelope& envelope,
                                                 const TrustPolicy& policy) {
  const absl::Status by_root = policy.roots().CheckThreshold(envelope);
  if (by_root.ok()) return ReleaseAuthority::kRootKeys;
  if (!policy.release_keys().has_value()) {
    return absl::PermissionDeniedError(StrCat("trust policy version ", policy.version(),
                                              " names no release keys, and it is ",
                                              by_root.message()));
  }
  const absl::Status by_release = policy.release_keys()->CheckThreshold(envelope);
  if (by_release.ok()) return ReleaseAuthority::kReleaseKeys;
  return by_release;
}

absl::Status CheckTime(const v1::Release& release, absl::Time now) {
  const absl::Time issued = *ToTime(release.issued());
  const absl::Time expires = *ToTime(release.expires());
  if (issued > now + kReleaseClockSkew) {
    return absl::FailedPreconditionError(StrCat("release ", release.version(), " was issued on ",
                                                Format(issued), ", this clock says ", Format(now)));
  }
  if (now > expires) {
    return absl::FailedPreconditionError(StrCat("release ", release.version(), " expired on ",
                                                Format(expires), ", this clock says ",
                                                Format(now)));
  }
  return absl::OkStatus();
}

const v1::Platform* PlatformOf(const v1::Release& release, const ReleaseContext& context) {
  for (const v1::Platform& platform : release.platforms()) {
    if (platform.os() == context.os && platform.arch() == context.arch) return &platform;
  }
  return nullptr;
}

absl::Status CheckVersion(const v1::Release& release, std::string_view running_text) {
  DRAGNET_ASSIGN_OR_RETURN(const Version version, Version::Parse(release.version()));
  const absl::StatusOr<Version> running = Version::Parse(running_text);
  if (!running.ok()) {
    return absl::FailedPreconditionError(
        StrCat("what runs can't be compared with it: ", running.status().message()));
  }
  if (version == *running) {
    return absl::AlreadyExistsError(StrCat("version ", version.text(), " runs already"));
  }
  if (version < *running && !release.downgrade()) {
    return absl::FailedPreconditionError(
        StrCat("version ", version.text(), " is lower than ", running->text(),
               ", which runs; only a downgrade that the root keys signed goes back"));
  }
  if (release.minimum_version().empty()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const Version minimum, Version::Parse(release.minimum_version()));
  if (*running >= minimum) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat("version ", version.text(), " is taken from ",
                                              minimum.text(), " upwards, and ", running->text(),
                                              " runs: upgrade to one between them first"));
}

}  // namespace

bool IsReleaseGroup(std::string_view group) {
  // The same characters.
  return IsInvestigatorName(group);
}

std::string PlatformName(std::string_view os, std::string_view arch) {
  return StrCat(os, "/", arch);
}

absl::Status ValidateRelease(const v1::Release& release) {
  DRAGNET_RETURN_IF_ERROR(ValidateVersions(release));
  DRAGNET_RETURN_IF_ERROR(ValidateTimes(release));
  if (!release.group().empty() && !IsReleaseGroup(release.group())) {
    return Invalid("group", "not 1 to 64 characters of [a-z0-9._-]");
  }
  if (release.notes().size() > kMaxNotes) {
    return Invalid("notes", StrCat(release.notes().size(), " bytes, at most ", kMaxNotes));
  }
  return ValidatePlatforms(release);
}

absl::StatusOr<v1::Release> ParseRelease(std::string_view payload) {
  v1::Release release;
  DRAGNET_RETURN_IF_ERROR(ParseStrict(payload, kMaxReleaseBytes, &release));
  DRAGNET_RETURN_IF_ERROR(ValidateRelease(release));
  return release;
}

absl::StatusOr<VerifiedRelease> VerifyRelease(std::string_view envelope_bytes,
                                              const TrustPolicy* policy, absl::Time now) {
  if (envelope_bytes.size() > kMaxReleaseEnvelopeBytes) {
    return absl::InvalidArgumentError(StrCat("a release of ", envelope_bytes.size(),
                                             " bytes, at most ", kMaxReleaseEnvelopeBytes));
  }
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(envelope_bytes, kReleasePayloadType));
  DRAGNET_RETURN_IF_ERROR(CheckPolicy(policy, now));
  VerifiedRelease verified;
  // The signatures first: nothing that they don't cover is looked into.
  DRAGNET_ASSIGN_OR_RETURN(verified.authority, CheckSignatures(envelope, *policy));
  DRAGNET_ASSIGN_OR_RETURN(verified.release, ParseRelease(envelope.payload()));
  if (verified.release.downgrade() && verified.authority != ReleaseAuthority::kRootKeys) {
    return Annotate(policy->roots().CheckThreshold(envelope),
                    "a downgrade takes the root keys' signatures");
  }
  DRAGNET_RETURN_IF_ERROR(CheckTime(verified.release, now));
  return verified;
}

absl::StatusOr<AuthorizedRelease> AuthorizeRelease(std::string_view envelope_bytes,
                                                   const ReleaseContext& context) {
  DRAGNET_ASSIGN_OR_RETURN(VerifiedRelease verified,
                           VerifyRelease(envelope_bytes, context.policy, context.now));
  AuthorizedRelease authorized;
  authorized.release = std::move(verified.release);
  const v1::Release& release = authorized.release;
  const absl::Time issued = *ToTime(release.issued());
  if (issued < context.last_issued) {
    return absl::FailedPreconditionError(
        StrCat("release ", release.version(), " was issued on ", Format(issued),
               ", before the one that was taken last, of ", Format(context.last_issued)));
  }
  if (!release.group().empty() && release.group() != context.group) {
    return absl::FailedPreconditionError(
        StrCat("release ", release.version(), " is for the group ", release.group(), ", this is ",
               context.group.empty() ? "in none" : "in ", context.group));
  }
  const v1::Platform* platform = PlatformOf(release, context);
  if (platform == nullptr) {
    return absl::FailedPreconditionError(StrCat("release ", release.version(), " has nothing for ",
                                                PlatformName(context.os, context.arch)));
  }
  authorized.platform = *platform;
  DRAGNET_RETURN_IF_ERROR(CheckVersion(release, context.version));
  return authorized;
}

}  // namespace dragnet
