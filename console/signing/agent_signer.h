// Signs with a key that ssh-agent holds, in SSHSIG form. Thread-safe: no state.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "console/signing/signing.h"

namespace dragnet::console {

// `which`: "SHA256:…" or the path of a public key file. NotFound when the agent
// doesn't hold it; the socket is SSH_AUTH_SOCK's. The agent is asked anew for
// each signature, and what it gives is verified before it is used.
absl::StatusOr<std::unique_ptr<Signer>> OpenAgentSigner(const std::string& which,
                                                        const Environment& environment);

}  // namespace dragnet::console
