// A root key out of a file, on a machine that may have nothing else of Dragnet's:
// no configuration and no network. Thread-safe: no state.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/signer.h"

namespace dragnet::console {

// For an encrypted key, asks for its passphrase on the terminal, without echo.
// PermissionDenied for a file that others can read; InvalidArgument for a wrong
// passphrase.
absl::StatusOr<std::unique_ptr<Signer>> OpenRootKey(const std::string& path);

}  // namespace dragnet::console
