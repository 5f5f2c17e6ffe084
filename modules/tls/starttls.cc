#include "modules/tls/starttls.h"

#include <errno.h>

#include <string>

namespace dragnet::tls {
namespace {

constexpr size_t kMaxLine = 4096;
constexpr int kMaxLines = 100;

// A talk in lines that are answered by lines.
class Dialogue {
 public:
  Dialogue(Connection& connection, absl::Duration deadline)
      : connection_(connection), deadline_(deadline) {}

  // Each of these does nothing once something went wrong.
  void Say(std::string_view line) {
    if (error_ == 0) error_ = connection_.Send(line, deadline_);
  }

  // The next line must begin so.
  void Expect(std::string_view beginning) {
    const std::string line = Line();
    if (error_ == 0 && !line.starts_with(beginning)) error_ = EPROTO;
  }

  // A reply of SMTP and FTP: its last line is the first of "CODE text".
  void ExpectReply(std::string_view code) {
    const std::string line = FirstLine([](std::string_view text) {
      return text.size() >= 4 && text.find_first_not_of("0123456789") == 3 && text[3] == ' ';
    });
    if (error_ == 0 && !line.starts_with(code)) error_ = EPROTO;
  }

  // IMAP's answer to what was tagged with `tag`.
  void ExpectTagged(std::string_view tag) {
    const std::string line =
        FirstLine([](std::string_view text) { return !text.starts_with("* "); });
    if (error_ == 0 && !line.starts_with(std::string(tag) + " OK")) error_ = EPROTO;
  }

  void ExpectByte(char byte) {
    Fill(1);
    if (error_ == 0 && pending_.front() != byte) error_ = EPROTO;
    if (error_ == 0) pending_.erase(0, 1);
  }

  int Finish() {
    // What is there before the handshake was not said under its protection.
    if (error_ == 0 && !pending_.empty()) error_ = EPROTO;
    return error_;
  }

 private:
  template <typename Wanted>
  std::string FirstLine(const Wanted& is_wanted) {
    for (int i = 0; i < kMaxLines && error_ == 0; ++i) {
      std::string line = Line();
      if (error_ == 0 && is_wanted(line)) return line;
    }
    if (error_ == 0) error_ = EPROTO;
    return "";
  }

  void Fill(size_t size) {
    std::string bytes;
    while (error_ == 0 && pending_.size() < size) {
      error_ = connection_.Receive(deadline_, &bytes);
      if (error_ == 0 && bytes.empty()) error_ = ECONNRESET;
      pending_ += bytes;
    }
  }

  std::string Line() {
    size_t end;
    while ((end = pending_.find('\n')) == std::string::npos && error_ == 0) {
      if (pending_.size() > kMaxLine) {
        error_ = EPROTO;
      } else {
        Fill(pending_.size() + 1);
      }
    }
    if (error_ != 0) return "";
    std::string line = pending_.substr(0, end);
    pending_.erase(0, end + 1);
    return line;
  }

  Connection& connection_;
  const absl::Duration deadline_;
  std::string pending_;
  int error_ = 0;
};

}  // namespace

std::string_view UpgradeName(Upgrade upgrade) {
  switch (upgrade) {
    case Upgrade::kSmtp:
      return "smtp";
    case Upgrade::kImap:
      return "imap";
    case Upgrade::kPop3:
      return "pop3";
    case Upgrade::kFtp:
      return "ftp";
    case Upgrade::kPostgres:
      return "postgres";
    case Upgrade::kNone:
      break;
  }
  return "";
}

Upgrade GuessUpgrade(std::string_view greeting) {
  if (greeting.starts_with("220 ") || greeting.starts_with("220-")) return Upgrade::kSmtp;
  if (greeting.starts_with("* OK")) return Upgrade::kImap;
  if (greeting.starts_with("+OK")) return Upgrade::kPop3;
  return Upgrade::kNone;
}

int StartTls(Upgrade upgrade, Connection& connection, absl::Duration deadline) {
  Dialogue dialogue(connection, deadline);
  switch (upgrade) {
    case Upgrade::kNone:
      return 0;
    case Upgrade::kSmtp:
      dialogue.ExpectReply("220");
      dialogue.Say("EHLO localhost\r\n");
      dialogue.ExpectReply("250");
      dialogue.Say("STARTTLS\r\n");
      dialogue.ExpectReply("220");
      return dialogue.Finish();
    case Upgrade::kFtp:
      dialogue.ExpectReply("220");
      dialogue.Say("AUTH TLS\r\n");
      dialogue.ExpectReply("234");
      return dialogue.Finish();
    case Upgrade::kImap:
      dialogue.Expect("* OK");
      dialogue.Say("a1 STARTTLS\r\n");
      dialogue.ExpectTagged("a1");
      return dialogue.Finish();
    case Upgrade::kPop3:
      dialogue.Expect("+OK");
      dialogue.Say("STLS\r\n");
      dialogue.Expect("+OK");
      return dialogue.Finish();
    case Upgrade::kPostgres:
      // SSLRequest: length 8, and its code (PostgreSQL, "Message Formats").
      dialogue.Say(std::string_view("\0\0\0\x08\x04\xd2\x16\x2f", 8));
      dialogue.ExpectByte('S');
      return dialogue.Finish();
  }
  return EPROTO;
}

}  // namespace dragnet::tls
