// The keys in one file's content. Thread-safe: no state.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "modules/sshkey/params.h"
#include "modules/sshkey/sshkey.pb.h"

namespace dragnet::sshkey {

enum class FileRole {
  // Told by its content.
  kAny,
  // Read as a whole, and lines that are no keys are reported.
  kAuthorizedKeys,
  kPublicKey,
  kKnownHosts,
};

// `directory` is the path of the directory that holds the file `name`.
FileRole RoleOf(std::string_view directory, std::string_view name);

// Whether a file that begins so may hold a key.
bool MayHoldKeys(std::string_view beginning);

struct KeyFileEvents {
  // A key, without what the file system says about the file. False to stop.
  std::function<bool(v1::SshkeyRow row)> key;
  // What looks like a key and can't be read; `line` is 0 for private keys.
  std::function<void(std::string_view reason, uint32_t line)> damaged;
  // The content of the .pub file beside this one, empty if there is none.
  std::function<std::string()> beside;
};

void FindKeys(std::string_view content, FileRole role, const Search& search,
              const KeyFileEvents& events);

}  // namespace dragnet::sshkey
