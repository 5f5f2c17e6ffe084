// What is typed to choose agents, as the target expression that it stands for.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dragnet::console::tui {

// 'web' as a text of an expression: "'web'", with quotes inside doubled.
std::string QuotedText(std::string_view text);

struct TypedTarget {
  // Empty for nothing typed: every agent.
  std::string expression;
  // It was plain words, and the expression is about the name.
  bool by_name = false;
};

// Words without anything of an expression in them ("web prod") choose by name:
// each must be part of it, in either case. Everything else is an expression as it is.
TypedTarget TargetOf(std::string_view typed);

// As TextInput::Complete: columns, functions and words of target expressions, and
// `tags->>'KEY'` for the keys given.
std::vector<std::string> CompleteTarget(const std::vector<std::string>& tag_keys,
                                        std::string_view before, size_t* start);

}  // namespace dragnet::console::tui
