// Who a peer is. A value.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace dragnet::scheduler {

struct Identity {
  enum class Kind { kAgent, kInvestigator };
  Kind kind = Kind::kAgent;
  // An agent's id, an investigator's name.
  std::string name;
  // spiffe://<fleet>/<kind>/<name>
  std::string uri;
  // Of the certificate that it showed.
  std::string fingerprint;
  absl::Time not_after;
};

}  // namespace dragnet::scheduler
