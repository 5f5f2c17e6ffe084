// What a file is known as, by its name. Thread-safe: no state.
#pragma once

#include <string_view>

#include "modules/secrets/named_values.h"

namespace dragnet::secrets {

enum class FileKind {
  kOther,
  kEnv,
  kHistory,
  kNetrc,
  kPgpass,
  kMyCnf,
  kGitCredentials,
  kDockerConfig,
  kKubeconfig,
  kSshHostKey,
};

// `directory` is the path of the directory that holds the file `name`.
FileKind FileKindOf(std::string_view directory, std::string_view name);
// As in secrets.proto.
std::string_view FileKindName(FileKind kind);

TextKind TextKindOf(FileKind kind, std::string_view name);

}  // namespace dragnet::secrets
