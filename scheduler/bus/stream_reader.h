// Reads one subject of a stream, or several, in order, from a number on, by pulling: the server
// sends only what was asked for, so that what lies in memory is bounded however slow its reader is.
// (A push consumer's flow control works in windows of the client's choosing too, but what overflows
// them is lost and must be read anew.) The consumer is an ephemeral one in one server's memory, and
// keeps no position that would matter: whenever anything is strange (a gap, a server that died,
// silence) the reader is opened anew from what was stored.
//
// Not thread-safe: of one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/bus/nats_connection.h"

namespace dragnet::scheduler {

struct StreamMessage {
  // In the stream.
  uint64_t number = 0;
  NatsMessage message;
};

class StreamReader {
 public:
  struct Limits {
    // Of what one Next() gives, and of what lies ready for the next one.
    int messages = 4096;
    int64_t bytes = 8 << 20;
  };

  // Whole messages, or only their subjects, numbers and headers.
  enum class Content { kAll, kHeaders };

  // `subject`: may have '*' in place of a word. `connection` outlives it.
  StreamReader(NatsConnection& connection, std::string stream, std::string subject, Limits limits,
               Content content = Content::kAll)
      : connection_(connection),
        stream_(std::move(stream)),
        subject_(std::move(subject)),
        limits_(limits),
        content_(content) {}
  ~StreamReader() { Close(); }
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  // Everything after `position` from now on.
  absl::Status Open(uint64_t position);
  // What there is, in order and without gaps; at least one message, if any comes within
  // `patience`. After an error it must be opened anew.
  absl::StatusOr<std::vector<StreamMessage>> Next(absl::Duration patience);
  void Close();

 private:
  absl::Status Pull();
  // An error: the server that is read from lacks what the stream has, and goes on to say
  // that it is there: its disk may be full.
  absl::Status CheckSilence();
  // Nothing: not one to be handed on, or none came in time.
  absl::StatusOr<std::optional<StreamMessage>> Take(absl::Duration patience);
  absl::Status HandleServersWord(const NatsMessage& message);

  NatsConnection& connection_;
  const std::string stream_;
  const std::string subject_;
  const Limits limits_;
  const Content content_;

  std::string consumer_;
  std::string inbox_;
  NatsQueue subscription_;
  // Of the connection, when it was opened.
  uint64_t losses_ = 0;
  // Of the consumer's own count.
  uint64_t last_delivered_ = 0;
  uint64_t last_number_ = 0;
  // The request that is answered now, and how many messages it may still bring; 0: none.
  uint64_t pull_ = 0;
  int left_ = 0;
  // When it is next to be looked whether there is more in the stream; and what was in it
  // at the last time.
  absl::Time next_check_;
  uint64_t expected_ = 0;
  // When the server has said anything last, and whether it was asked again since then.
  absl::Time heard_;
  bool asked_again_ = false;
  // Didn't fit any more.
  std::optional<StreamMessage> next_;
};

}  // namespace dragnet::scheduler
