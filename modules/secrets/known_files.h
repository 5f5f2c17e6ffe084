// Files with a form of their own for credentials. Thread-safe once made.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "modules/secrets/finding.h"
#include "re2/re2.h"

namespace dragnet::secrets {

// netrc(5): machine HOST login USER password PASSWORD.
void FindNetrcPasswords(std::string_view text, const OnFinding& on_finding);
// HOST:PORT:DATABASE:USER:PASSWORD.
void FindPgpassPasswords(std::string_view text, const OnFinding& on_finding);
// "auth": "BASE64 of USER:PASSWORD".
void FindDockerAuths(std::string_view text, const OnFinding& on_finding);

// Passwords in commands, as shells and clients of databases keep them.
class CommandLines {
 public:
  CommandLines();
  void Find(std::string_view text, const OnFinding& on_finding) const;

 private:
  // The password is the first group.
  std::vector<std::unique_ptr<const RE2>> patterns_;
};

}  // namespace dragnet::secrets
