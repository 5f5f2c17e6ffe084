// Decompresses one stream, in pieces, by the format's own library. Memory is
// bounded: a stream that asks for more than kMaxDecoderMemory is refused. Not
// thread-safe; one for one file.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

namespace dragnet::file {

// xz -9 needs 65 MiB, the most of what is common.
inline constexpr size_t kMaxDecoderMemory = 68 * 1024 * 1024;

enum class Compression { kGzip, kBzip2, kXz, kZstd, kLz4 };

// gzip, bzip2, xz, zstd, lz4.
std::string_view CompressionName(Compression compression);

// Of a file that begins with these bytes, kCompressionMagic of them if there are.
std::optional<Compression> DetectCompression(std::string_view begin);
inline constexpr size_t kCompressionMagic = 10;

class Decoder {
 public:
  enum class Result {
    // All input was taken, or all room for output.
    kMore,
    // The stream is complete. What is left of the input comes after it.
    kEnd,
    kCorrupt,
    // It asks for more memory than it may have, or there is none.
    kMemory,
  };

  virtual ~Decoder() = default;

  // Takes from the front of `input`, and writes to the front of `output`, which
  // is left what room remains. After kEnd, the next call begins a new stream.
  virtual Result Decode(std::string_view* input, char** output, size_t* room) = 0;
};

// Null if there is no memory.
std::unique_ptr<Decoder> NewDecoder(Compression compression);

}  // namespace dragnet::file
