// Signs with a key inside a PKCS#11 token, raw as a key in a file would.
// Not thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "console/signing/signing.h"

namespace dragnet::console {

// `uri`: RFC 7512, e.g. "pkcs11:token=dragnet;object=signing?module-path=/usr/
// lib/softhsm/libsofthsm2.so". It names exactly one token and one key in it.
// The PIN is asked for, or read from pin-source (a file of mode 0600); a
// pin-value is refused, because the URI is no place for a secret.
absl::StatusOr<std::unique_ptr<Signer>> OpenTokenSigner(const std::string& uri,
                                                        const PassphrasePrompt& ask);

}  // namespace dragnet::console
