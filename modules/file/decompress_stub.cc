// Placeholder until branch content's implementation is merged.
#include "modules/file/decompress.h"
namespace dragnet::file {
absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(int, const DecompressLimits&) {
  return absl::UnimplementedError("decompress is not built in");
}
}  // namespace dragnet::file
