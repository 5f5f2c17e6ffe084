#include "modules/netstat/search.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::netstat {
namespace {

using Strings = google::protobuf::RepeatedPtrField<std::string>;

constexpr uint32_t Bit(Kind kind) { return 1u << static_cast<int>(kind); }
constexpr uint32_t Bit(Protocol protocol) { return 1u << static_cast<int>(protocol); }

constexpr uint32_t kTcpBits = Bit(Protocol::kTcp) | Bit(Protocol::kTcp6);
constexpr uint32_t kUdpBits = Bit(Protocol::kUdp) | Bit(Protocol::kUdp6);
constexpr uint32_t kIpBits = kTcpBits | kUdpBits | Bit(Protocol::kRaw) | Bit(Protocol::kRaw6);
constexpr uint32_t kAllProtocols = kIpBits | Bit(Protocol::kPacket) | Bit(Protocol::kUnix);
constexpr uint32_t kAllKinds = Bit(Kind::kSocket) | Bit(Kind::kNeighbour) | Bit(Kind::kInterface) |
                               Bit(Kind::kAddress) | Bit(Kind::kRoute);

struct StateWord {
  std::string_view name;
  uint32_t kinds;
};
constexpr StateWord kStateWords[] = {
    {kListen, Bit(Kind::kSocket)},        {"established", Bit(Kind::kSocket)},
    {"syn-sent", Bit(Kind::kSocket)},     {"syn-recv", Bit(Kind::kSocket)},
    {"fin-wait-1", Bit(Kind::kSocket)},   {"fin-wait-2", Bit(Kind::kSocket)},
    {"time-wait", Bit(Kind::kSocket)},    {"close-wait", Bit(Kind::kSocket)},
    {"last-ack", Bit(Kind::kSocket)},     {"closing", Bit(Kind::kSocket)},
    {kUnconnected, Bit(Kind::kSocket)},   {"incomplete", Bit(Kind::kNeighbour)},
    {"reachable", Bit(Kind::kNeighbour)}, {"stale", Bit(Kind::kNeighbour)},
    {"delay", Bit(Kind::kNeighbour)},     {"probe", Bit(Kind::kNeighbour)},
    {"failed", Bit(Kind::kNeighbour)},    {"noarp", Bit(Kind::kNeighbour)},
    {"permanent", Bit(Kind::kNeighbour)}, {"none", Bit(Kind::kNeighbour)},
    {"up", Bit(Kind::kInterface)},        {"down", Bit(Kind::kInterface)},
    {"unicast", Bit(Kind::kRoute)},       {"local", Bit(Kind::kRoute)},
    {"broadcast", Bit(Kind::kRoute)},     {"anycast", Bit(Kind::kRoute)},
    {"multicast", Bit(Kind::kRoute)},     {"blackhole", Bit(Kind::kRoute)},
    {"unreachable", Bit(Kind::kRoute)},   {"prohibit", Bit(Kind::kRoute)},
    {"throw", Bit(Kind::kRoute)}};

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

// "local[2] '10.0.0/8' "
std::string Where(std::string_view field, int index, std::string_view value) {
  return StrCat(field, "[", index, "] '", ForTerminal(Shorten(value, 100)), "' ");
}

template <typename Names>
std::string Join(const Names& names) {
  std::string text;
  for (std::string_view name : names) StrAppend(&text, text.empty() ? "" : ", ", name);
  return text;
}

std::optional<uint32_t> ParseNumber(std::string_view text) {
  uint32_t number = 0;
  if (text.empty() || text.size() > 10 ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(ToAbsl(text), &number)) {
    return std::nullopt;
  }
  return number;
}

absl::StatusOr<PortRange> ParsePorts(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = ParseNumber(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : ParseNumber(text.substr(dash + 1));
  if (!first || !last || *last > 65535 || *first > *last)
    return Invalid("is not a port from 0 to 65535, nor a range: write 22 or 8000-8999");
  return PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

absl::StatusOr<uint32_t> ParsePid(std::string_view text) {
  const auto pid = ParseNumber(text);
  if (!pid || *pid == 0) return Invalid("is not the number of a process");
  return *pid;
}

absl::StatusOr<std::string> ParseState(std::string_view text, uint32_t kinds) {
  for (const StateWord& word : kStateWords)
    if (word.name == text && word.kinds & kinds) return std::string(text);
  std::vector<std::string_view> names;
  for (const StateWord& word : kStateWords)
    if (word.kinds & kinds) names.push_back(word.name);
  if (names.empty()) return Invalid("filters what has no state");
  return Invalid(StrCat("is no state of what is searched for: ", Join(names)));
}

absl::StatusOr<std::string> ParseUser(std::string_view text) {
  if (text.empty() || text.size() > 256 || ForTerminal(text) != text ||
      text.find(':') != std::string_view::npos) {
    return Invalid("is not a user's name or number");
  }
  return std::string(text);
}

absl::StatusOr<std::string> ParseContainer(std::string_view text) {
  if (text.empty() || text.size() > 256 || ForTerminal(text) != text)
    return Invalid("is not the beginning of a container's id or name");
  return std::string(text);
}

absl::StatusOr<Pattern> ParsePattern(std::string_view text, size_t memory, bool fold_case) {
  if (text.empty()) return Invalid("is empty: leave it out to find any");
  if (text.size() > kMaxPatternBytes)
    return Invalid(StrCat("is longer than ", kMaxPatternBytes, " bytes"));
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_case_sensitive(!fold_case);
  options.set_max_mem(static_cast<int64_t>(memory));
  auto regex = std::make_unique<const RE2>(re2::StringPiece(text.data(), text.size()), options);
  if (!regex->ok())
    return Invalid(StrCat("is not a regular expression: ", ForTerminal(regex->error())));
  return regex;
}

// Reads `values` into `set`, each by `parse`, those with ! in front into `none`.
template <typename Value, typename Parse>
absl::Status ReadSet(std::string_view field, const Strings& values, const Parse& parse,
                     ValueSet<Value>* set) {
  if (values.size() > kMaxValues)
    return Invalid(StrCat(field, ": a search takes at most ", kMaxValues));
  for (int i = 0; i < values.size(); ++i) {
    std::string_view text = values[i];
    const bool inverted = text.starts_with('!');
    if (inverted) text.remove_prefix(1);
    auto value = parse(text);
    if (!value.ok()) {
      return absl::Status(value.status().code(),
                          StrCat(Where(field, i, values[i]), value.status().message()));
    }
    (inverted ? set->none : set->any).push_back(*std::move(value));
  }
  return absl::OkStatus();
}

template <size_t size>
absl::StatusOr<uint32_t> ReadBits(std::string_view field, const Strings& values,
                                  const std::string_view (&names)[size]) {
  uint32_t bits = 0;
  if (values.size() > kMaxValues)
    return Invalid(StrCat(field, ": a search takes at most ", kMaxValues));
  for (int i = 0; i < values.size(); ++i) {
    const auto* name = std::find(std::begin(names), std::end(names), values[i]);
    if (name == std::end(names))
      return Invalid(StrCat(Where(field, i, values[i]), "is none of ", Join(names)));
    bits |= 1u << (name - std::begin(names));
  }
  return bits;
}

absl::Status CheckLabel(std::string_view label) {
  if (label.size() <= kMaxLabelBytes && ForTerminal(label) == label) return absl::OkStatus();
  return Invalid(StrCat("label '", ForTerminal(Shorten(label, 100)),
                        "' must be printable and at most ", kMaxLabelBytes, " bytes"));
}

// Takes away the kinds and protocols for which a filter never holds; refuses it
// when none is left.
class Narrowing {
 public:
  explicit Narrowing(Search* search) : search_(search) {}

  // `filter` holds for these kinds, and among sockets for these protocols.
  absl::Status By(bool given, std::string_view filter, uint32_t kinds, uint32_t protocols) {
    if (!given) return absl::OkStatus();
    search_->protocols &= protocols;
    search_->kinds &= kinds;
    if (search_->protocols == 0) search_->kinds &= ~Bit(Kind::kSocket);
    if (search_->kinds != 0) return absl::OkStatus();
    return Invalid(StrCat(filter,
                          ": holds for nothing that this search's kinds, protocols and other "
                          "filters leave; take one of them away"));
  }

 private:
  Search* const search_;
};

absl::Status Narrow(const v1::Search& given, Search* search) {
  Narrowing narrow(search);
  constexpr uint32_t kSocket = Bit(Kind::kSocket);
  constexpr uint32_t kPortBits = kTcpBits | kUdpBits;
  DRAGNET_RETURN_IF_ERROR(
      narrow.By(!given.protocols().empty(), "protocols", kSocket, kAllProtocols));
  DRAGNET_RETURN_IF_ERROR(narrow.By(!search->local.empty(), "local",
                                    kSocket | Bit(Kind::kAddress) | Bit(Kind::kRoute), kIpBits));
  DRAGNET_RETURN_IF_ERROR(narrow.By(!search->remote.empty(), "remote",
                                    kSocket | Bit(Kind::kNeighbour) | Bit(Kind::kRoute), kIpBits));
  DRAGNET_RETURN_IF_ERROR(
      narrow.By(!search->local_ports.empty(), "local_ports", kSocket, kPortBits));
  DRAGNET_RETURN_IF_ERROR(
      narrow.By(!search->remote_ports.empty(), "remote_ports", kSocket, kPortBits));
  DRAGNET_RETURN_IF_ERROR(
      narrow.By(!search->macs.empty(), "macs", Bit(Kind::kInterface) | Bit(Kind::kNeighbour), 0));
  DRAGNET_RETURN_IF_ERROR(narrow.By(!search->interfaces.empty(), "interfaces", kAllKinds,
                                    kIpBits | Bit(Protocol::kPacket)));
  DRAGNET_RETURN_IF_ERROR(
      narrow.By(search->listening, "listening", kSocket,
                kTcpBits | Bit(Protocol::kUnix) | (search->bound_udp ? kUdpBits : 0)));
  return narrow.By(search->NeedsProcess() || !search->users.empty(),
                   "processes, exes, cmdlines, pids, users, containers", kSocket, kAllProtocols);
}

absl::Status CheckListening(const v1::Search& given) {
  if (given.bound_udp() && !given.listening())
    return Invalid("bound_udp: adds to listening; give that, too, or states: unconnected");
  if (!given.listening()) return absl::OkStatus();
  if (!given.states().empty())
    return Invalid("states: contradict listening, which is a state; take one of them away");
  if (!given.remote().empty() || !given.remote_ports().empty())
    return Invalid("listening: such sockets have no remote end; take remote, remote_ports away");
  return absl::OkStatus();
}

absl::StatusOr<Search> CompileSearch(const v1::Search& given, size_t memory) {
  Search search;
  search.label = given.label();
  search.listening = given.listening();
  search.bound_udp = given.bound_udp();
  search.host_only = given.host_only();
  search.match_limit = given.match_limit();
  DRAGNET_RETURN_IF_ERROR(CheckLabel(search.label));
  DRAGNET_ASSIGN_OR_RETURN(search.kinds, ReadBits("kinds", given.kinds(), kKindNames));
  if (search.kinds == 0) search.kinds = Bit(Kind::kSocket);
  DRAGNET_ASSIGN_OR_RETURN(search.protocols,
                           ReadBits("protocols", given.protocols(), kProtocolNames));
  if (search.protocols == 0) search.protocols = kAllProtocols;

  const auto regex = [&](std::string_view text) { return ParsePattern(text, memory, false); };
  const auto folded = [&](std::string_view text) { return ParsePattern(text, memory, true); };
  const auto state = [&](std::string_view text) { return ParseState(text, search.kinds); };
  DRAGNET_RETURN_IF_ERROR(ReadSet("local", given.local(), Network::Parse, &search.local));
  DRAGNET_RETURN_IF_ERROR(ReadSet("remote", given.remote(), Network::Parse, &search.remote));
  DRAGNET_RETURN_IF_ERROR(
      ReadSet("local_ports", given.local_ports(), ParsePorts, &search.local_ports));
  DRAGNET_RETURN_IF_ERROR(
      ReadSet("remote_ports", given.remote_ports(), ParsePorts, &search.remote_ports));
  DRAGNET_RETURN_IF_ERROR(ReadSet("states", given.states(), state, &search.states));
  DRAGNET_RETURN_IF_ERROR(ReadSet("processes", given.processes(), regex, &search.processes));
  DRAGNET_RETURN_IF_ERROR(ReadSet("exes", given.exes(), regex, &search.exes));
  DRAGNET_RETURN_IF_ERROR(ReadSet("cmdlines", given.cmdlines(), regex, &search.cmdlines));
  DRAGNET_RETURN_IF_ERROR(ReadSet("pids", given.pids(), ParsePid, &search.pids));
  DRAGNET_RETURN_IF_ERROR(ReadSet("users", given.users(), ParseUser, &search.users));
  DRAGNET_RETURN_IF_ERROR(
      ReadSet("containers", given.containers(), ParseContainer, &search.containers));
  DRAGNET_RETURN_IF_ERROR(ReadSet("macs", given.macs(), folded, &search.macs));
  DRAGNET_RETURN_IF_ERROR(ReadSet("interfaces", given.interfaces(), regex, &search.interfaces));
  DRAGNET_RETURN_IF_ERROR(CheckListening(given));
  DRAGNET_RETURN_IF_ERROR(Narrow(given, &search));
  return search;
}

absl::StatusOr<size_t> MemoryForEachPattern(const v1::NetstatParameters& parameters) {
  size_t count = 0;
  for (const v1::Search& search : parameters.searches()) {
    count += search.processes_size() + search.exes_size() + search.cmdlines_size() +
             search.macs_size() + search.interfaces_size();
  }
  if (count > kMaxPatterns) {
    return Invalid(StrCat("processes, exes, cmdlines, macs, interfaces: at most ", kMaxPatterns,
                          " are taken in all searches"));
  }
  return std::min(kMaxPatternMemory, kPatternMemory / std::max<size_t>(count, 1));
}

}  // namespace

absl::StatusOr<std::vector<Search>> CompileSearches(const v1::NetstatParameters& parameters) {
  if (parameters.searches().empty()) return Invalid("searches: at least one is needed");
  if (parameters.searches_size() > kMaxSearches)
    return Invalid(StrCat("searches: at most ", kMaxSearches, " are taken"));
  DRAGNET_ASSIGN_OR_RETURN(const size_t memory, MemoryForEachPattern(parameters));
  std::vector<Search> searches;
  for (const v1::Search& given : parameters.searches()) {
    auto search = CompileSearch(given, memory);
    if (!search.ok()) {
      if (parameters.searches_size() == 1) return search.status();
      return Annotate(search.status(), StrCat("searches[", searches.size(), "]"));
    }
    if (search->label.empty()) search->label = StrCat("s", searches.size() + 1);
    searches.push_back(*std::move(search));
  }
  return searches;
}

}  // namespace dragnet::netstat
