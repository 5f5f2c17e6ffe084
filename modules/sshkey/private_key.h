// Private keys in text form: what can be told of them without their passphrase.
// The secret half is passed over and never copied out. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/sshkey/public_key.h"

namespace dragnet::sshkey {

struct PrivateKeyFacts {
  // openssh, pem, pkcs8.
  std::string_view format;
  bool encrypted = false;
  std::string cipher;
  // Also where `key` is not known but the file names it.
  std::string algorithm;
  // The public half, where the file has it in the clear.
  std::optional<PublicKey> key;
  std::string comment;
};

// The keys of a file, each the facts or what is damaged. Private keys of
// algorithms that SSH does not have (other curves, X25519) are left out. At
// most 64.
std::vector<absl::StatusOr<PrivateKeyFacts>> FindPrivateKeys(std::string_view text);

}  // namespace dragnet::sshkey
