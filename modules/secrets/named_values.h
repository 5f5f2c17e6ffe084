// Passwords and tokens that are known by the name in front of them. Thread-safe:
// no state.
#pragma once

#include <span>
#include <string_view>

#include "modules/secrets/finding.h"

namespace dragnet::secrets {

// How much a file's form says about values in it.
enum class TextKind {
  // Programs: only what is in quotes is a value.
  kCode,
  // NAME=VALUE, NAME: VALUE, <NAME>VALUE</NAME>.
  kSettings,
  // What is kept for secrets (.env, .my.cnf): any value that is no placeholder.
  kCredentials,
};

// In lower case: a name with one of them in it may be a secret's.
std::span<const std::string_view> SecretNames();

// A value that is assigned to the name of which a secret's is at [at, end).
void FindNamedValue(std::string_view text, size_t at, size_t end, TextKind kind,
                    const OnFinding& on_finding);

}  // namespace dragnet::secrets
