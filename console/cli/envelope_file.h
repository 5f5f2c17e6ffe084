// Signed envelopes as files: written in the JSON form of DSSE, read in that or
// in protobuf's binary form. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dragnet/v1/envelope.pb.h"

namespace dragnet::console {

// AlreadyExists if there is such a file: nothing is overwritten.
absl::Status WriteEnvelopeFile(const std::string& path, const v1::Envelope& envelope);

// In place of the file that was read: it has the old content or the new one, at
// every moment. InvalidArgument for "-", which can't be written back.
absl::Status ReplaceEnvelopeFile(const std::string& path, const v1::Envelope& envelope);

// The serialised envelope in a file's content, whichever form it has. Says
// nothing about the signatures.
absl::StatusOr<std::string> EnvelopeBytes(std::string_view file_content);

}  // namespace dragnet::console
