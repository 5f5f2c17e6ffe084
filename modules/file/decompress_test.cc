#include "modules/file/decompress.h"

#include <bzlib.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4frame.h>
#include <lzma.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <random>
#include <string>

#include "core/unique_fd.h"

namespace dragnet::file {
namespace {

using testing::HasSubstr;

UniqueFd FileOf(std::string_view content) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), content.data(), content.size()), ssize_t(content.size()));
  EXPECT_EQ(lseek(fd.get(), 0, SEEK_SET), 0);
  return fd;
}

struct Outcome {
  std::string content;
  std::string compression;
  absl::Status status;
  uint64_t file_bytes = 0;
};

Outcome ReadAll(std::string_view file, size_t block = 10'000, const DecompressLimits& limits = {},
                size_t keep = SIZE_MAX) {
  const UniqueFd fd = FileOf(file);
  Outcome outcome;
  auto source = OpenByteSource(fd.get(), limits);
  if (!source.ok()) {
    outcome.status = source.status();
    return outcome;
  }
  outcome.compression = (*source)->compression();
  std::string buffer(block, '\0');
  while (true) {
    const absl::StatusOr<size_t> count = (*source)->Read(buffer.data(), buffer.size());
    if (!count.ok()) {
      outcome.status = count.status();
      break;
    }
    if (*count == 0) break;
    if (outcome.content.size() < keep) outcome.content.append(buffer, 0, *count);
  }
  outcome.file_bytes = (*source)->file_bytes();
  return outcome;
}

std::string Gzip(std::string_view content) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = content.size();
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = out.size();
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Bzip2(std::string_view content) {
  std::string out(content.size() + content.size() / 50 + 700, '\0');
  unsigned size = out.size();
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(content.data()),
                                     content.size(), 9, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}

std::string Xz(std::string_view content) {
  std::string out(lzma_stream_buffer_bound(content.size()), '\0');
  size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(
                1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(content.data()),
                content.size(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size()),
            LZMA_OK);
  out.resize(size);
  return out;
}

std::string Zstd(std::string_view content) {
  std::string out(ZSTD_compressBound(content.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), content.data(), content.size(), 3));
  return out;
}

std::string Lz4(std::string_view content) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  std::string out(LZ4F_compressFrameBound(content.size(), &preferences), '\0');
  out.resize(
      LZ4F_compressFrame(out.data(), out.size(), content.data(), content.size(), &preferences));
  return out;
}

struct Format {
  const char* name;
  std::string (*compress)(std::string_view);
};
constexpr Format kFormats[] = {
    {"gzip", Gzip}, {"bzip2", Bzip2}, {"xz", Xz}, {"zstd", Zstd}, {"lz4", Lz4}};

// Text that compresses, some.
std::string Text(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, ' ');
  for (char& c : text) c = "abcdefgh \n"[random() % 10];
  return text;
}

TEST(ByteSource, APlainFilePassesAsItIs) {
  for (const std::string& content : {std::string(), std::string("a"), std::string("\x1f\x8b"),
                                     std::string("BZh9 is a text"), Text(200'000, 1)}) {
    for (size_t block : {size_t{1}, size_t{7}, size_t{100'000}}) {
      const Outcome outcome = ReadAll(content, block);
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
      EXPECT_EQ(outcome.content, content);
      EXPECT_EQ(outcome.compression, "");
      EXPECT_EQ(outcome.file_bytes, content.size());
    }
  }
}

TEST(ByteSource, ACompressedFileIsWhatWasCompressed) {
  for (const Format& format : kFormats) {
    for (const std::string& content :
         {std::string(), std::string("hello zipped\n"), Text(300'000, 2)}) {
      const std::string compressed = format.compress(content);
      for (size_t block : {size_t{17}, size_t{4096}, size_t{1'000'000}}) {
        const Outcome outcome = ReadAll(compressed, block);
        EXPECT_TRUE(outcome.status.ok()) << format.name << outcome.status;
        EXPECT_TRUE(outcome.content == content) << format.name;
        EXPECT_EQ(outcome.compression, format.name);
        EXPECT_EQ(outcome.file_bytes, compressed.size());
      }
    }
  }
}

TEST(ByteSource, ConcatenatedStreamsAreOneContent) {
  for (const Format& format : kFormats) {
    const std::string one = Text(70'000, 3), two = Text(1000, 4);
    const Outcome outcome = ReadAll(format.compress(one) + format.compress(two) +
                                    format.compress("") + format.compress("end"));
    EXPECT_TRUE(outcome.status.ok()) << format.name << outcome.status;
    EXPECT_TRUE(outcome.content == one + two + "end") << format.name;
  }
}

TEST(ByteSource, ZerosAfterAStreamAreBlockPaddingAndAnythingElseIsReported) {
  for (const Format& format : kFormats) {
    const Outcome padded = ReadAll(format.compress("abc") + std::string(100'000, '\0'));
    EXPECT_TRUE(padded.status.ok()) << format.name << padded.status;
    EXPECT_EQ(padded.content, "abc");
    const Outcome followed = ReadAll(format.compress("abc") + "hidden behind it, for all to see");
    EXPECT_EQ(followed.status.code(), absl::StatusCode::kDataLoss) << format.name;
    EXPECT_THAT(std::string(followed.status.message()), HasSubstr("follows")) << format.name;
    EXPECT_EQ(followed.content, "abc") << format.name;
  }
}

TEST(ByteSource, ATruncatedFileGivesWhatIsThereAndThenSaysSo) {
  for (const Format& format : kFormats) {
    const std::string content = Text(300'000, 5);
    const std::string compressed = format.compress(content);
    for (size_t size : {size_t{12}, compressed.size() / 2, compressed.size() - 1}) {
      const Outcome outcome = ReadAll(std::string_view(compressed).substr(0, size));
      EXPECT_EQ(outcome.status.code(), absl::StatusCode::kDataLoss) << format.name << size;
      EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("ends early")) << format.name;
      EXPECT_TRUE(content.starts_with(outcome.content)) << format.name;
    }
  }
}

TEST(ByteSource, ADamagedFileIsNeverTakenForAWholeOne) {
  std::mt19937 random(6);
  for (const Format& format : kFormats) {
    const std::string content = Text(5000, 7);
    const std::string compressed = format.compress(content);
    for (int round = 0; round < 300; ++round) {
      std::string damaged = compressed;
      damaged[random() % damaged.size()] ^= 1 << random() % 8;
      const Outcome outcome = ReadAll(damaged);
      // Nothing lost: a flag or a name that doesn't matter, or no such file any more.
      // Zstandard's one-call form writes no checksum.
      if (!outcome.status.ok() || outcome.compression != format.name || format.compress == Zstd)
        continue;
      EXPECT_TRUE(outcome.content == content) << format.name;
    }
  }
}

TEST(ByteSource, ABombEndsAtTheLimits) {
  for (const Format& format : kFormats) {
    const std::string bomb = format.compress(std::string(40'000'000, '\0'));
    const Outcome large = ReadAll(bomb, 100'000, {.max_bytes = 1'000'000}, 0);
    EXPECT_EQ(large.status.code(), absl::StatusCode::kResourceExhausted) << format.name;
    EXPECT_THAT(std::string(large.status.message()), HasSubstr("too many bytes"));
    const Outcome dense =
        ReadAll(bomb, 100'000, {.max_ratio = 100, .min_ratio_bytes = 1'000'000}, 0);
    EXPECT_EQ(dense.status.code(), absl::StatusCode::kResourceExhausted) << format.name;
    EXPECT_THAT(std::string(dense.status.message()), HasSubstr("for its size"));
  }
  // What gzip can't do better than isn't one.
  EXPECT_TRUE(ReadAll(Gzip(std::string(40'000'000, '\0')), 100'000, {}, 0).status.ok());
  EXPECT_FALSE(ReadAll(Bzip2(std::string(40'000'000, '\0')), 100'000, {}, 0).status.ok());
}

TEST(ByteSource, AStreamThatAsksForMuchMemoryIsRefused) {
  // Of a dictionary of 1.5 GiB.
  std::string out(1000, '\0');
  lzma_options_lzma options;
  ASSERT_FALSE(lzma_lzma_preset(&options, 6));
  options.dict_size = 1536u << 20;
  lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  // The header of a block says it; the encoder itself would take ten times as much.
  lzma_block block{};
  block.check = LZMA_CHECK_NONE;
  block.filters = filters;
  block.compressed_size = block.uncompressed_size = LZMA_VLI_UNKNOWN;
  lzma_stream_flags flags{};
  flags.check = LZMA_CHECK_NONE;
  auto* bytes = reinterpret_cast<uint8_t*>(out.data());
  ASSERT_EQ(lzma_stream_header_encode(&flags, bytes), LZMA_OK);
  ASSERT_EQ(lzma_block_header_size(&block), LZMA_OK);
  ASSERT_EQ(lzma_block_header_encode(&block, bytes + LZMA_STREAM_HEADER_SIZE), LZMA_OK);
  const Outcome outcome = ReadAll(out);
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kResourceExhausted) << outcome.status;
  EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("memory"));
}

TEST(ByteSource, WhatCanNotBeReadIsReportedInTheSystemsWords) {
  const UniqueFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto source = OpenByteSource(directory.get());
  EXPECT_EQ(source.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(source.status().message(), "Is a directory");
}

}  // namespace
}  // namespace dragnet::file
