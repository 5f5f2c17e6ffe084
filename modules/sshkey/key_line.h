// Lines of authorized_keys, .pub and known_hosts files (sshd(8)). Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/sshkey/public_key.h"

namespace dragnet::sshkey {

struct KeyLine {
  PublicKey key;
  std::string comment;
  // Without quotes: command=/bin/true. Of known_hosts: the marker.
  std::vector<std::string> options;
  // Of known_hosts.
  std::string hosts;
};

// [OPTIONS] TYPE BASE64 [COMMENT]. Nothing when the line is no key.
std::optional<KeyLine> ParseKeyLine(std::string_view line);

// [@MARKER] HOSTS TYPE BASE64 [COMMENT].
std::optional<KeyLine> ParseKnownHostLine(std::string_view line);

// Empty, or a comment.
bool IsBlankLine(std::string_view line);

}  // namespace dragnet::sshkey
