// What tells a secret again without telling the secret. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "modules/secrets/finding.h"

namespace dragnet::secrets {

// secret:… of the secret where nobody can guess it; else place:… of its kind, the
// path and the name in front of it: a hash of a password would be the password
// to anyone who tries all likely ones.
std::string FingerprintOf(const Finding& finding, std::string_view path);

}  // namespace dragnet::secrets
