// The text of YARA rules as tokens: enough to point at an error, and to tell
// what a rule's condition reads (rule_facts.h). It never decides what a rule
// means; libyara does.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace dragnet::scan {

struct RuleToken {
  enum class Kind {
    kWord,        // a name, keyword or number
    kIdentifier,  // $a, #a, @a, !a, with a trailing * where there is one
    kText,        // "…" with its quotes
    kRegex,       // /…/ with its flags
    kHex,         // the { … } of a hex string
    kSign,        // an operator or bracket, one character
  };
  Kind kind = Kind::kSign;
  std::string_view text;
  size_t offset = 0;
};

// False if the text can't be told apart into tokens (an open string or comment);
// the tokens before that are given all the same. Comments are left out.
bool TokenizeRules(std::string_view source, std::vector<RuleToken>& tokens);

}  // namespace dragnet::scan
