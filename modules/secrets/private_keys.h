// Private keys in text form that no passphrase protects. Thread-safe: no state.
#pragma once

#include <string_view>

#include "modules/secrets/finding.h"

namespace dragnet::secrets {

// Where -----BEGIN is: PEM (RFC 7468), PKCS#8, OpenSSH, and OpenPGP's armour,
// over lines or with \n written out as in JSON.
void FindPemKey(std::string_view text, size_t at, const OnFinding& on_finding);
// Where PuTTY-User-Key-File- is.
void FindPuttyKey(std::string_view text, size_t at, const OnFinding& on_finding);
// Where client-key-data of a kubeconfig is.
void FindKubeconfigKey(std::string_view text, size_t at, const OnFinding& on_finding);

// Whether a packet of a secret key in OpenPGP's binary form (RFC 4880, RFC 9580)
// holds it unprotected. What isn't understood counts as such.
bool HasUnprotectedPgpKey(std::string_view packets);

}  // namespace dragnet::secrets
