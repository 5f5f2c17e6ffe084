// Regular expressions that a person wrote in UTF-8, matched against bytes of
// memory. Thread-safe: no state.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "re2/re2.h"

namespace dragnet::memory {

// Longer patterns are refused.
inline constexpr size_t kMaxPatternBytes = 4096;

// `pattern` as one in Latin-1, where a byte is a character: what is outside
// ASCII becomes its UTF-8 bytes as one unit. InvalidArgument names what has no
// meaning for bytes of memory.
absl::StatusOr<std::string> RewriteForMemory(std::string_view pattern);

// Compiled to match bytes; its compiled form takes at most `memory_bytes`.
// InvalidArgument in RE2's words, or when it can match nothing.
absl::StatusOr<std::unique_ptr<const RE2>> CompileForMemory(std::string_view pattern,
                                                            size_t memory_bytes);
// What CompileForMemory gives RE2.
RE2::Options MemoryRegexOptions(size_t memory_bytes);

// Compiled to match short texts in UTF-8, newlines included.
absl::StatusOr<std::unique_ptr<const RE2>> CompileForText(std::string_view pattern,
                                                          size_t memory_bytes);

}  // namespace dragnet::memory
