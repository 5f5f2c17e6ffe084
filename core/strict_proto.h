// Parses protobuf messages that come from someone who may be hostile, or that
// someone signed. Thread-safe.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace dragnet {

// Nesting of messages. Ours are at most 6 deep.
inline constexpr int kMaxNesting = 16;

// InvalidArgument when `bytes` is longer than `max_bytes`, isn't the encoding
// of this message, nests deeper than kMaxNesting, or holds a field that the
// message doesn't know, at any depth: a field that one program ignores and
// another obeys would be one that a signer never saw.
absl::Status ParseStrict(std::string_view bytes, size_t max_bytes,
                         google::protobuf::Message* message);

}  // namespace dragnet
