// Lines for systemd's journal with fields of their own, by its native protocol
// (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram per line. For programs whose
// standard error goes there anyway; others write to standard error as before.
//
// Text of any kind may be in a value: it can't become another field.
// Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/unique_fd.h"

namespace dragnet {

// As syslog's.
enum class JournalPriority { kError = 3, kWarning = 4, kInfo = 6, kDebug = 7 };

struct JournalField {
  // A to Z, digits and '_', beginning with a letter; at most 64 characters.
  std::string_view name;
  std::string_view value;
};

// The datagram. A field whose name isn't one is left out.
std::string EncodeJournalEntry(const std::vector<JournalField>& fields);

// Whether descriptor `fd` is the stream to the journal that `journal_stream`
// ("device:inode", as JOURNAL_STREAM says) names: what the environment says alone
// doesn't count, since whoever redirected the stream may have left it there.
bool IsJournalStream(int fd, std::string_view journal_stream);

class Journal {
 public:
  static constexpr char kSocket[] = "/run/systemd/journal/socket";

  // Of this process: nothing if its standard error doesn't go to the journal.
  static std::optional<Journal> OfStandardError(std::string identifier);

  // `identifier` becomes SYSLOG_IDENTIFIER. Nothing if there can be no socket.
  static std::optional<Journal> Open(std::string socket_path, std::string identifier);

  // Never blocks. False when the journal didn't take it: write it elsewhere then.
  bool Write(JournalPriority priority, std::string_view message,
             const std::vector<JournalField>& fields = {}) const;

 private:
  Journal(UniqueFd socket, std::string path, std::string identifier)
      : socket_(std::move(socket)), path_(std::move(path)), identifier_(std::move(identifier)) {}

  UniqueFd socket_;
  std::string path_;
  std::string identifier_;
};

}  // namespace dragnet
