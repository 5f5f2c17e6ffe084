// Releases as text that people read before they sign, and afterwards. Thread-safe: no
// state.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/trust_policy.h"
#include "dragnet/v1/envelope.pb.h"
#include "dragnet/v1/release.pb.h"

namespace dragnet::console {

// All of it, in lines.
std::string DescribeRelease(const v1::Release& release, absl::Time now);

// Which of the policy's keys signed and whether they are enough, then signatures that
// count for nothing.
std::string DescribeReleaseSignatures(const v1::Envelope& envelope, const v1::Release& release,
                                      const TrustPolicy& policy);

// What VerifyRelease said, in a line.
std::string ReleaseVerdict(const absl::Status& verified);

}  // namespace dragnet::console
