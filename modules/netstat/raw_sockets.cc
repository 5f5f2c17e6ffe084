#include "modules/netstat/raw_sockets.h"

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/netstat/proc_files.h"

namespace dragnet::netstat {
namespace {

constexpr uint32_t kEstablished = 1;

// Exactly `digits` hexadecimal digits.
std::optional<uint32_t> ParseHex(std::string_view text, size_t digits) {
  std::string bytes;
  if (text.size() != digits || !HexDecode(text, &bytes)) return std::nullopt;
  uint32_t number = 0;
  for (char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

// "0100007F:0001": words of an address as numbers of this machine, and a port.
struct TextEnd {
  IpAddress address;
  uint32_t port;
};
std::optional<TextEnd> ParseEnd(std::string_view text, size_t words) {
  if (text.size() != words * 8 + 5 || text[words * 8] != ':') return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < words; ++i) {
    const auto word = ParseHex(text.substr(i * 8, 8), 8);
    if (!word) return std::nullopt;
    bytes.append(reinterpret_cast<const char*>(&*word), sizeof *word);
  }
  const auto port = ParseHex(text.substr(words * 8 + 1), 4);
  if (!port) return std::nullopt;
  return TextEnd{IpAddress::FromBytes(bytes), *port};
}

}  // namespace

absl::StatusOr<Fact> ParseRawLine(Protocol protocol, std::string_view line) {
  const std::vector<absl::string_view> fields =
      absl::StrSplit(ToAbsl(line), ' ', absl::SkipEmpty());
  const auto malformed = [] {
    return absl::InvalidArgumentError("raw sockets: a line of another form");
  };
  // SL LOCAL REMOTE STATE TX:RX TIMER:WHEN RETRANSMITS UID TIMEOUT INODE …
  if (fields.size() < 10) return malformed();
  const size_t words = protocol == Protocol::kRaw6 ? 4 : 1;
  const auto local = ParseEnd(ToStd(fields[1]), words);
  const auto remote = ParseEnd(ToStd(fields[2]), words);
  const auto state = ParseHex(ToStd(fields[3]), 2);
  const std::string_view queues = ToStd(fields[4]);
  const auto uid = ParseDecimal(ToStd(fields[7]));
  const auto inode = ParseDecimal(ToStd(fields[9]));
  if (!local || !remote || !state || queues.size() != 17 || !uid || !inode) return malformed();
  const auto send = ParseHex(queues.substr(0, 8), 8);
  const auto receive = ParseHex(queues.substr(9), 8);
  if (!send || !receive) return malformed();

  Fact fact;
  fact.kind = Kind::kSocket;
  fact.protocol = protocol;
  fact.protocol_name = kProtocolNames[static_cast<size_t>(protocol)];
  fact.local = local->address;
  // The number of the IP protocol stands where others have a port.
  fact.type = StrCat(local->port);
  if (!remote->address.is_unspecified()) fact.remote = remote->address;
  fact.state = *state == kEstablished ? std::string_view("established") : kUnconnected;
  fact.send_queue = *send;
  fact.receive_queue = *receive;
  fact.uid = uid;
  fact.inode = *inode;
  return fact;
}

}  // namespace dragnet::netstat
