// All secrets of one text. Immutable and thread-safe once made.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "modules/file/literals.h"
#include "modules/secrets/file_kind.h"
#include "modules/secrets/finding.h"
#include "modules/secrets/known_files.h"

namespace dragnet::secrets {

// So much of a file's beginning tells whether it is text.
inline constexpr size_t kBeginning = 8192;
// A NUL byte is in it.
bool IsBinary(std::string_view beginning);
// All of the file is encrypted: ansible-vault, age, PGP messages, git-crypt.
bool IsEncrypted(std::string_view beginning);

class Scanner {
 public:
  Scanner();

  // In order, of text that is not encrypted; those that are told by more than one
  // rule once. Takes time proportional to the text.
  std::vector<Finding> Find(std::string_view text, FileKind kind, TextKind text_kind) const;

 private:
  enum class Rule : uint8_t {
    kToken,
    kPem,
    kPutty,
    kKubeconfig,
    kJwt,
    kAws,
    kEntra,
    kUrl,
    kName,
  };
  struct Literal {
    Rule rule;
    // Of tokens.
    uint32_t format = 0;
    size_t size = 0;
  };
  void Add(std::string_view literal, Rule rule, uint32_t format = 0);
  void Apply(const Literal& literal, std::string_view text, size_t end, TextKind text_kind,
             const OnFinding& on_finding) const;

  std::vector<std::string> texts_;
  std::vector<Literal> rules_;
  std::unique_ptr<const file::Literals> literals_;
  CommandLines command_lines_;
};

}  // namespace dragnet::secrets
