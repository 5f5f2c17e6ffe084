// A client of ssh-agent (draft-ietf-sshm-ssh-agent): what keys it holds, and
// having it sign. The agent may be anything that listens on the socket, so what
// it answers is bounded and read strictly. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/unique_fd.h"

namespace dragnet::console {

class SshAgent {
 public:
  struct Identity {
    // The public key as SSH sends it.
    std::string blob;
    std::string comment;
  };

  // Unavailable when no one listens on `socket_path`.
  static absl::StatusOr<SshAgent> Connect(const std::string& socket_path);

  absl::StatusOr<std::vector<Identity>> List();
  // "string type, …". PermissionDenied when the agent refuses: the key isn't
  // there, is locked, or its holder said no or didn't touch it in time.
  absl::StatusOr<std::string> Sign(std::string_view blob, std::string_view data);

 private:
  explicit SshAgent(UniqueFd socket) : socket_(std::move(socket)) {}
  // The answer's type and what follows it.
  absl::StatusOr<std::pair<uint8_t, std::string>> Ask(std::string_view message,
                                                      absl::Duration patience);

  UniqueFd socket_;
};

}  // namespace dragnet::console
