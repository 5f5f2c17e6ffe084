#include "agent/ipc/frame.h"

#include <fcntl.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "agent/ipc/ipc.pb.h"
#include "core/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

ipc::Job SomeJob(size_t parameter_bytes = 20) {
  ipc::Job job;
  job.set_module("file");
  job.set_parameters(std::string(parameter_bytes, '\xff'));
  job.set_format(ipc::Job::FORMAT_PROTO);
  return job;
}

std::string Frame(const google::protobuf::Message& message) {
  absl::StatusOr<std::string> frame = EncodeFrame(message);
  EXPECT_TRUE(frame.ok()) << frame.status();
  return frame.value_or("");
}

struct PipeEnds {
  UniqueFd read_end;
  UniqueFd write_end;
};

// Holding `content`, and at its end.
PipeEnds PipeHolding(std::string_view content) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  PipeEnds pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  EXPECT_EQ(::write(pipe.write_end.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  pipe.write_end.Reset();
  return pipe;
}

absl::Status ReadFrom(std::string_view content, size_t max_bytes = kMaxFrameBytes) {
  PipeEnds pipe = PipeHolding(content);
  ipc::Job job;
  return ReadFrame(pipe.read_end.get(), &job, max_bytes);
}

TEST(FrameTest, LengthIsBigEndian) {
  std::string frame = Frame(SomeJob(300));
  size_t length = SomeJob(300).ByteSizeLong();
  ASSERT_EQ(frame.size(), 4 + length);
  EXPECT_EQ(frame.substr(0, 4),
            std::string({'\0', '\0', static_cast<char>(length >> 8), static_cast<char>(length)}));
}

TEST(FrameTest, MessageSplitAtEachByteArrivesWhole) {
  std::string stream = Frame(SomeJob()) + Frame(SomeJob(0)) + Frame(ipc::Job());
  for (size_t split = 0; split <= stream.size(); ++split) {
    FrameDecoder decoder;
    std::vector<std::string> messages;
    for (std::string_view part :
         {std::string_view(stream).substr(0, split), std::string_view(stream).substr(split)}) {
      decoder.Append(part);
      for (;;) {
        absl::StatusOr<std::optional<std::string>> next = decoder.Next();
        ASSERT_TRUE(next.ok()) << next.status();
        if (!next->has_value()) break;
        messages.push_back(**next);
      }
    }
    EXPECT_THAT(messages, testing::ElementsAre(SomeJob().SerializeAsString(),
                                               SomeJob(0).SerializeAsString(), ""));
    EXPECT_TRUE(decoder.empty());
  }
}

TEST(FrameTest, OversizedLengthIsRefusedBeforeItsBytesArrive) {
  FrameDecoder decoder(100);
  decoder.Append(std::string("\0\0\0\x65", 4));
  EXPECT_EQ(decoder.Next().status().code(), absl::StatusCode::kInvalidArgument);
  // And stays refused, whatever follows.
  decoder.Append(std::string(200, 'x'));
  EXPECT_EQ(decoder.Next().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(FrameTest, HugeLengthIsRefusedByTheBlockingReader) {
  EXPECT_EQ(ReadFrom("\xff\xff\xff\xff").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadFrom(Frame(SomeJob(200)), 100).code(), absl::StatusCode::kInvalidArgument);
}

TEST(FrameTest, TruncatedFrameIsAnErrorAtEachByte) {
  std::string frame = Frame(SomeJob());
  for (size_t length = 1; length < frame.size(); ++length) {
    EXPECT_EQ(ReadFrom(frame.substr(0, length)).code(), absl::StatusCode::kInvalidArgument)
        << length;
    FrameDecoder decoder;
    decoder.Append(frame.substr(0, length));
    absl::StatusOr<std::optional<std::string>> next = decoder.Next();
    ASSERT_TRUE(next.ok());
    EXPECT_FALSE(next->has_value());
    EXPECT_FALSE(decoder.empty());
  }
}

TEST(FrameTest, CleanEndOfStreamIsToldFromATruncatedOne) {
  EXPECT_EQ(ReadFrom("").code(), absl::StatusCode::kOutOfRange);
}

TEST(FrameTest, FailingReadIsAnError) {
  ipc::Job job;
  EXPECT_FALSE(ReadFrame(-1, &job).ok());
  EXPECT_FALSE(WriteFrame(-1, job).ok());
}

TEST(FrameTest, UnknownFieldIsRefused) {
  // Field 15, varint.
  std::string body = SomeJob().SerializeAsString() + "\x78\x01";
  std::string frame({'\0', '\0', '\0', static_cast<char>(body.size())});
  EXPECT_EQ(ReadFrom(frame + body).code(), absl::StatusCode::kInvalidArgument);
}

TEST(FrameTest, DeepNestingIsRefused) {
  // google.protobuf groups of field 15 within each other.
  std::string body(5000, '\x7b');
  std::string frame(
      {'\0', '\0', static_cast<char>(body.size() >> 8), static_cast<char>(body.size() & 0xff)});
  EXPECT_EQ(ReadFrom(frame + body).code(), absl::StatusCode::kInvalidArgument);
}

TEST(FrameTest, RandomBytesNeverCrashNorHoldMoreThanTheBound) {
  std::mt19937 random(20240229);
  for (int round = 0; round < 2000; ++round) {
    std::string noise(random() % 300, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    // Small lengths, so that the bodies are looked at, too.
    if (noise.size() > 4 && round % 2 == 0) noise.replace(0, 3, 3, '\0');

    ReadFrom(noise, 256).IgnoreError();
    FrameDecoder decoder(256);
    decoder.Append(noise);
    for (;;) {
      absl::StatusOr<std::optional<std::string>> next = decoder.Next();
      if (!next.ok() || !next->has_value()) break;
      EXPECT_LE((*next)->size(), 256u);
    }
  }
}

TEST(FrameTest, MessageOverTheBoundIsNotEncoded) {
  EXPECT_EQ(EncodeFrame(SomeJob(200), 100).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(EncodeFrame(SomeJob(kMaxFrameBytes)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(FrameTest, LargestFrameGoesThroughAPipe) {
  ipc::Job sent = SomeJob(kMaxFrameBytes - 64);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  PipeEnds pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  absl::Status written;
  std::thread writer([&] { written = WriteFrame(pipe.write_end.get(), sent); });
  ipc::Job received;
  absl::Status read = ReadFrame(pipe.read_end.get(), &received);
  writer.join();
  EXPECT_TRUE(written.ok()) << written;
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_EQ(received.SerializeAsString(), sent.SerializeAsString());
}

}  // namespace
}  // namespace dragnet
