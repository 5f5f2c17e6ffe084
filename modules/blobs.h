// Blobs: values of parameter fields that are too large to sign and send with
// every action. The console takes them out of the parameters and puts their
// digests in (Operation.blobs, which is signed); a worker puts the values back,
// so that a module never knows the difference. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "dragnet/v1/action.pb.h"
#include "google/protobuf/message.h"

namespace dragnet {

// Values above this travel as blobs.
inline constexpr size_t kMinBlobBytes = 16 * 1024;

// Content by its binary SHA-256.
using BlobContents = std::map<std::string, std::string>;

// Moves the large values of singular string and bytes fields, at any depth, out
// of `parameters`: their references into `operation`, the values into
// `contents`. InvalidArgument when one is over a blob's bounds.
absl::Status ExtractBlobs(google::protobuf::Message* parameters, v1::Operation* operation,
                          BlobContents* contents);

// Sets the field at `path` ("searches[0].yara"). InvalidArgument when there is
// no such field, it isn't a singular string or bytes field, or is set already,
// or when a string's value isn't UTF-8.
absl::Status InsertBlob(std::string_view path, std::string value,
                        google::protobuf::Message* parameters);

}  // namespace dragnet
