#include "modules/file/decoder.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <limits>

namespace dragnet::file {
namespace {

using Result = Decoder::Result;

// 2^26 bytes, within kMaxDecoderMemory.
constexpr int kMaxZstdWindowLog = 26;

// The libraries count in 32 bits: longer pieces are taken in turns.
unsigned Clamp(size_t size) {
  constexpr size_t kMost = std::numeric_limits<unsigned>::max() / 2;
  return static_cast<unsigned>(size < kMost ? size : kMost);
}

// zlib, bzip2 and xz have the same interface under different names.
template <typename Stream, typename Byte>
class StreamPosition {
 public:
  StreamPosition(Stream& stream, std::string_view* input, char** output, size_t* room)
      : stream_(stream), input_(input), output_(output), room_(room) {
    stream.next_in = reinterpret_cast<Byte*>(const_cast<char*>(input->data()));
    stream.avail_in = Clamp(input->size());
    stream.next_out = reinterpret_cast<Byte*>(*output);
    stream.avail_out = Clamp(*room);
    given_in_ = stream.avail_in;
    given_out_ = stream.avail_out;
  }
  ~StreamPosition() {
    input_->remove_prefix(given_in_ - stream_.avail_in);
    *output_ += given_out_ - stream_.avail_out;
    *room_ -= given_out_ - stream_.avail_out;
  }
  StreamPosition(const StreamPosition&) = delete;
  StreamPosition& operator=(const StreamPosition&) = delete;

 private:
  Stream& stream_;
  std::string_view* input_;
  char** output_;
  size_t* room_;
  size_t given_in_ = 0;
  size_t given_out_ = 0;
};

class GzipDecoder : public Decoder {
 public:
  ~GzipDecoder() override { inflateEnd(&stream_); }

  // gzip's header and sums, not zlib's.
  bool Init() { return inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK; }

  Result Decode(std::string_view* input, char** output, size_t* room) override {
    if (ended_ && inflateReset(&stream_) != Z_OK) return Result::kCorrupt;
    ended_ = false;
    const StreamPosition<z_stream, Bytef> position(stream_, input, output, room);
    switch (inflate(&stream_, Z_NO_FLUSH)) {
      case Z_STREAM_END:
        ended_ = true;
        return Result::kEnd;
      case Z_OK:
      case Z_BUF_ERROR:  // Nothing to do yet.
        return Result::kMore;
      case Z_MEM_ERROR:
        return Result::kMemory;
      default:
        return Result::kCorrupt;
    }
  }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

class Bzip2Decoder : public Decoder {
 public:
  ~Bzip2Decoder() override {
    if (initialized_) BZ2_bzDecompressEnd(&stream_);
  }

  bool Init() {
    stream_ = {};
    initialized_ = BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK;
    return initialized_;
  }

  Result Decode(std::string_view* input, char** output, size_t* room) override {
    if (ended_) {
      BZ2_bzDecompressEnd(&stream_);
      if (!Init()) return Result::kMemory;
      ended_ = false;
    }
    const StreamPosition<bz_stream, char> position(stream_, input, output, room);
    switch (BZ2_bzDecompress(&stream_)) {
      case BZ_STREAM_END:
        ended_ = true;
        return Result::kEnd;
      case BZ_OK:
        return Result::kMore;
      case BZ_MEM_ERROR:
        return Result::kMemory;
      default:
        return Result::kCorrupt;
    }
  }

 private:
  bz_stream stream_{};
  bool initialized_ = false;
  bool ended_ = false;
};

class XzDecoder : public Decoder {
 public:
  ~XzDecoder() override { lzma_end(&stream_); }

  bool Init() { return lzma_stream_decoder(&stream_, kMaxDecoderMemory, 0) == LZMA_OK; }

  Result Decode(std::string_view* input, char** output, size_t* room) override {
    if (ended_ && !Init()) return Result::kMemory;
    ended_ = false;
    const StreamPosition<lzma_stream, uint8_t> position(stream_, input, output, room);
    switch (lzma_code(&stream_, LZMA_RUN)) {
      case LZMA_STREAM_END:
        ended_ = true;
        return Result::kEnd;
      case LZMA_OK:
      case LZMA_BUF_ERROR:  // Nothing to do yet.
        return Result::kMore;
      case LZMA_MEM_ERROR:
      case LZMA_MEMLIMIT_ERROR:
        return Result::kMemory;
      default:
        return Result::kCorrupt;
    }
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

class ZstdDecoder : public Decoder {
 public:
  ~ZstdDecoder() override { ZSTD_freeDStream(stream_); }

  bool Init() {
    stream_ = ZSTD_createDStream();
    return stream_ != nullptr &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMaxZstdWindowLog));
  }

  Result Decode(std::string_view* input, char** output, size_t* room) override {
    ZSTD_inBuffer in{input->data(), input->size(), 0};
    ZSTD_outBuffer out{*output, *room, 0};
    const size_t result = ZSTD_decompressStream(stream_, &out, &in);
    input->remove_prefix(in.pos);
    *output += out.pos;
    *room -= out.pos;
    if (result == 0) return Result::kEnd;
    if (!ZSTD_isError(result)) return Result::kMore;
    // The number of this error is not part of the stable interface; its name is.
    return std::string_view(ZSTD_getErrorName(result)).find("memory") != std::string_view::npos
               ? Result::kMemory
               : Result::kCorrupt;
  }

 private:
  ZSTD_DStream* stream_ = nullptr;
};

class Lz4Decoder : public Decoder {
 public:
  ~Lz4Decoder() override { LZ4F_freeDecompressionContext(context_); }

  bool Init() { return !LZ4F_isError(LZ4F_createDecompressionContext(&context_, LZ4F_VERSION)); }

  Result Decode(std::string_view* input, char** output, size_t* room) override {
    size_t taken = input->size(), written = *room;
    const size_t result =
        LZ4F_decompress(context_, *output, &written, input->data(), &taken, nullptr);
    if (LZ4F_isError(result)) return Result::kCorrupt;
    input->remove_prefix(taken);
    *output += written;
    *room -= written;
    return result == 0 ? Result::kEnd : Result::kMore;
  }

 private:
  LZ4F_dctx* context_ = nullptr;
};

template <typename Kind>
std::unique_ptr<Decoder> Make() {
  auto decoder = std::make_unique<Kind>();
  if (!decoder->Init()) return nullptr;
  return decoder;
}

}  // namespace

std::string_view CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kBzip2:
      return "bzip2";
    case Compression::kXz:
      return "xz";
    case Compression::kZstd:
      return "zstd";
    case Compression::kLz4:
      return "lz4";
  }
  return "";
}

std::optional<Compression> DetectCompression(std::string_view begin) {
  using namespace std::string_view_literals;
  if (begin.starts_with("\x1f\x8b\x08"sv)) return Compression::kGzip;
  if (begin.starts_with("\xfd"
                        "7zXZ\0"sv))
    return Compression::kXz;
  if (begin.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::kZstd;
  if (begin.starts_with("\x04\x22\x4d\x18"sv)) return Compression::kLz4;
  // A text could begin with BZh9, too: what follows is the first block, or the end.
  if (begin.size() >= kCompressionMagic && begin.starts_with("BZh") && begin[3] >= '1' &&
      begin[3] <= '9' &&
      (begin.substr(4, 6) == "1AY&SY"sv || begin.substr(4, 6) == "\x17\x72\x45\x38\x50\x90"sv))
    return Compression::kBzip2;
  return std::nullopt;
}

std::unique_ptr<Decoder> NewDecoder(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return Make<GzipDecoder>();
    case Compression::kBzip2:
      return Make<Bzip2Decoder>();
    case Compression::kXz:
      return Make<XzDecoder>();
    case Compression::kZstd:
      return Make<ZstdDecoder>();
    case Compression::kLz4:
      return Make<Lz4Decoder>();
  }
  return nullptr;
}

}  // namespace dragnet::file
