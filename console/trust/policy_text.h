// A trust policy as text that people read before they sign it. Thread-safe: no
// state.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::console {

// Everything that it says; text goes through ForTerminal.
std::string DescribePolicy(const v1::TrustPolicy& policy, absl::Time now);

}  // namespace dragnet::console
