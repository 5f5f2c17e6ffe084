// Signing keys in files: PKCS#8 PEM, plain or encrypted (PBES2: RFC 8018, with
// scrypt or PBKDF2). Thread-safe: no state.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "console/signing/signing.h"
#include "core/keys.h"

namespace dragnet::console {

// PermissionDenied when others can use the file, or for a wrong passphrase;
// Unimplemented for other forms of encrypted keys, by name, with what to do.
absl::StatusOr<std::unique_ptr<Signer>> OpenKeyFile(const std::string& path,
                                                    const PassphrasePrompt& ask);

bool IsEncryptedKey(std::string_view pem);

// PermissionDenied for a wrong passphrase. InvalidArgument for a key derivation
// that would take more than some seconds or 32 MiB: the file chooses it.
absl::StatusOr<PrivateKey> DecryptKey(std::string_view pem, std::string_view passphrase);

// PKCS#8 PEM: scrypt (16 MiB), AES-256-CBC. Anything from OpenSSL 1.1 on reads it.
absl::StatusOr<std::string> EncryptKey(const PrivateKey& key, std::string_view passphrase);

}  // namespace dragnet::console
