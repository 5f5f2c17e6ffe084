// A secret in a text, as the detectors tell it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace dragnet::secrets {

struct Finding {
  // As in secrets.proto; of static storage.
  std::string_view kind;
  // Where the secret is in the text.
  size_t begin = 0;
  size_t end = 0;
  // What tells this secret from others, whatever it is wrapped in. Stays here.
  std::string secret;
  // Nobody guesses it, so that its hash may be told.
  bool unguessable = false;
  // What stands in front of it, to tell the place.
  std::string name;
  // Told by its name and looks only: whatever else is told of the place is right.
  bool is_guess = false;
};

using OnFinding = std::function<void(Finding finding)>;

inline bool IsWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace dragnet::secrets
