#include "scheduler/bus/nats_options.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxServers = 32;
constexpr uint32_t kMaxPartitions = 256;

bool IsHostCharacter(char c) { return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_'; }

// "host", "host:port", "[::1]:port".
absl::StatusOr<NatsAddress> ParseHostAndPort(absl::string_view text) {
  NatsAddress address;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "[")) {
    const size_t end = rest.find(']');
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError(StrCat("\"", text, "\" has a [ without ]"));
    }
    address.host = std::string(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    const bool fits =
        !address.host.empty() && std::all_of(address.host.begin(), address.host.end(), [](char c) {
          return absl::ascii_isxdigit(c) || c == ':' || c == '.';
        });
    if (!fits) return absl::InvalidArgumentError(StrCat("\"", text, "\" is no address"));
  } else {
    const size_t end = std::min(rest.find(':'), rest.size());
    address.host = std::string(rest.substr(0, end));
    rest.remove_prefix(end);
    if (address.host.empty() ||
        !std::all_of(address.host.begin(), address.host.end(), IsHostCharacter)) {
      return absl::InvalidArgumentError(StrCat("\"", text, "\" is no host"));
    }
  }
  if (rest.empty()) return address;
  absl::ConsumePrefix(&rest, ":");
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), address.port);
  if (error != std::errc() || end != rest.data() + rest.size() || address.port == 0) {
    return absl::InvalidArgumentError(StrCat("\"", text, "\" has no port after the colon"));
  }
  return address;
}

bool IsThisMachine(const std::string& host) {
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

}  // namespace

absl::StatusOr<std::vector<NatsAddress>> ParseNatsUrl(std::string_view url) {
  std::vector<NatsAddress> addresses;
  // Of "nats://user:password@a,b,c" all three.
  std::string user;
  for (absl::string_view part : absl::StrSplit(ToAbsl(url), ',')) {
    part = absl::StripAsciiWhitespace(part);
    if (absl::ConsumePrefix(&part, "nats://") || absl::ConsumePrefix(&part, "tls://")) {
      user.clear();
    } else if (addresses.empty()) {
      return absl::InvalidArgumentError("a bus begins with nats://");
    }
    absl::ConsumeSuffix(&part, "/");
    if (const size_t at = part.rfind('@'); at != absl::string_view::npos) {
      user = std::string(part.substr(0, at + 1));
      part.remove_prefix(at + 1);
    }
    absl::StatusOr<NatsAddress> address = ParseHostAndPort(part);
    if (!address.ok()) return Annotate(address.status(), "bus");
    const bool bracket = absl::StrContains(address->host, ":");
    address->url = StrCat("nats://", user, bracket ? "[" : "", address->host, bracket ? "]" : "",
                          ":", address->port);
    addresses.push_back(*std::move(address));
    if (addresses.size() > kMaxServers) {
      return absl::InvalidArgumentError(StrCat("bus: more than ", kMaxServers, " servers"));
    }
  }
  return addresses;
}

std::string Describe(const std::vector<NatsAddress>& addresses) {
  return absl::StrJoin(addresses, ", ", [](std::string* out, const NatsAddress& address) {
    StrAppend(out, address.host, ":", address.port);
  });
}

bool IsSubjectToken(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_';
  });
}

absl::Status CheckNatsOptions(const NatsOptions& options) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<NatsAddress> addresses, ParseNatsUrl(options.url));
  if (!IsSubjectToken(options.fleet_id)) {
    return absl::InvalidArgumentError(StrCat(
        "fleet id \"", absl::CHexEscape(ToAbsl(options.fleet_id)),
        "\": on a NATS bus it is of 1 to 64 letters, digits, '-' and '_', because it becomes "
        "a part of subjects"));
  }
  if (!IsSubjectToken(options.scheduler)) {
    return absl::InvalidArgumentError(StrCat("name of this scheduler \"",
                                             absl::CHexEscape(ToAbsl(options.scheduler)),
                                             "\": it is of 1 to 64 letters, digits, '-' and '_'"));
  }
  if (options.replicas != 1 && options.replicas != 3) {
    return absl::InvalidArgumentError(
        StrCat("replicas on the bus: 1 or 3, not ", options.replicas));
  }
  if (options.partitions < 1 || options.partitions > kMaxPartitions) {
    return absl::InvalidArgumentError(
        StrCat("partitions of the bus: 1 to ", kMaxPartitions, ", not ", options.partitions));
  }
  if (options.max_record_bytes < (1 << 20)) {
    return absl::InvalidArgumentError("the stream of records needs at least 1 MiB");
  }
  const int files =
      !options.ca_file.empty() + !options.certificate_file.empty() + !options.key_file.empty();
  if (files != 0 && files != 3) {
    return absl::InvalidArgumentError(
        "TLS to the bus needs all three: the CA's certificate, this scheduler's own and its key");
  }
  if (files == 0 && !options.allow_plaintext) {
    for (const NatsAddress& address : addresses) {
      if (IsThisMachine(address.host)) continue;
      return absl::InvalidArgumentError(
          StrCat("bus ", address.host,
                 " is another machine: TLS needs the CA's certificate, "
                 "this scheduler's own and its key"));
    }
  }
  return absl::OkStatus();
}

std::string NatsNames::RecordStream() const { return StrCat("DRAGNET_", fleet_id_, "_RECORDS"); }
std::string NatsNames::RecordSubject(uint32_t partition) const {
  return StrCat("dragnet.", fleet_id_, ".records.", partition);
}
std::string NatsNames::RecordSubjects() const {
  return StrCat("dragnet.", fleet_id_, ".records.*");
}
std::string NatsNames::NoticeStream() const { return StrCat("DRAGNET_", fleet_id_, "_NOTICES"); }
std::string NatsNames::NoticeSubject() const { return StrCat("dragnet.", fleet_id_, ".notices"); }
std::string NatsNames::PeerSubject(std::string_view scheduler) const {
  return StrCat("dragnet.", fleet_id_, ".peer.", scheduler);
}
std::string NatsNames::PeersSubject() const { return StrCat("dragnet.", fleet_id_, ".peers"); }
std::string NatsNames::Inbox(std::string_view scheduler) const {
  return StrCat("_INBOX.", fleet_id_, ".", scheduler);
}

}  // namespace dragnet::scheduler
