// The investigator's signing key, opened as console.toml names it:
//
//   signing_key = "signing.key"                 PKCS#8 PEM, encrypted or not
//   signing_key = "ssh-agent:id_ed25519.pub"    a key that ssh-agent holds, by its
//   signing_key = "ssh-agent:SHA256:…"          public key file or its fingerprint
//   signing_key = "pkcs11:token=…;object=…?module-path=/usr/lib/….so"
//
// docs/signing.md. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "console/client/config.h"
#include "core/signer.h"

namespace dragnet::console {

// Asks the person for a secret: "Passphrase of /home/ida/signing.key". What it
// gives is wiped by whoever asked.
using PassphrasePrompt = std::function<absl::StatusOr<std::string>(std::string_view what)>;

// This process's own.
Environment ProcessEnvironment();

// Asks for a passphrase or PIN if the key has one: once, and of a file up to
// three times if it is wrong (a token would count wrong PINs and lock itself).
// Errors name the key and what to do.
absl::StatusOr<std::unique_ptr<Signer>> OpenSigner(
    const ConsoleConfig& config, const PassphrasePrompt& ask,
    const Environment& environment = ProcessEnvironment());

// The same for any key: `key` as signing_key has it, paths as they are.
absl::StatusOr<std::unique_ptr<Signer>> OpenSigner(
    const std::string& key, const PassphrasePrompt& ask,
    const Environment& environment = ProcessEnvironment());

}  // namespace dragnet::console
