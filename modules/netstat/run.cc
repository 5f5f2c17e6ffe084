#include "modules/netstat/run.h"

#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/netstat/namespaces.h"
#include "modules/netstat/proc_files.h"
#include "modules/netstat/processes.h"
#include "modules/netstat/raw_sockets.h"
#include "modules/netstat/report.h"
#include "modules/netstat/rtnetlink.h"
#include "modules/netstat/sock_diag.h"
#include "modules/netstat/users.h"

namespace dragnet::netstat {
namespace {

// A list that changed while it was read is read again so often.
constexpr int kMaxTries = 5;
// Facts of one list that are kept to be able to read it again; a longer one is
// reported as it comes.
constexpr size_t kMaxKeptFacts = 50'000;
// 30,000 raw sockets.
constexpr size_t kMaxRawTextBytes = 4 * 1024 * 1024;

bool HasIpv6() { return ::access("/proc/sys/net/ipv6", F_OK) == 0; }

bool IsIpv6(Protocol protocol) {
  return protocol == Protocol::kTcp6 || protocol == Protocol::kUdp6 || protocol == Protocol::kRaw6;
}

// The lists of one namespace.
class NamespaceLister {
 public:
  NamespaceLister(const std::vector<Search>& searches, NetworkNamespace& space, Reporter& reporter,
                  RunContext& context)
      : searches_(searches), space_(space), reporter_(reporter), context_(context) {}

  void List() {
    if (space_.route) {
      ListRoute(Kind::kInterface);
      for (Kind kind : {Kind::kAddress, Kind::kNeighbour, Kind::kRoute})
        if (Wanted(kind)) ListRoute(kind);
    }
    if (!space_.sock_diag) return;
    for (size_t i = 0; i < std::size(kProtocolNames) && !context_.stopping(); ++i) {
      const auto protocol = static_cast<Protocol>(i);
      if (Wanted(protocol)) ListSockets(protocol);
    }
  }

 private:
  bool Asks(const Search& search) const { return space_.is_host || !search.host_only; }

  template <typename What>
  bool Wanted(What what) const {
    return std::any_of(searches_.begin(), searches_.end(),
                       [&](const Search& search) { return Asks(search) && search.Wants(what); });
  }

  bool OnlyListening(Protocol protocol) const {
    // The kernel's filter knows states of TCP; others have no state listen.
    if (protocol != Protocol::kTcp && protocol != Protocol::kTcp6) return false;
    return std::all_of(searches_.begin(), searches_.end(), [&](const Search& search) {
      return !Asks(search) || !search.Wants(protocol) || search.listening;
    });
  }

  // What could not be listed could have been a finding.
  void Note(std::string_view list, std::string_view reason) {
    context_.NoteUnexamined(StrCat(list, ": ", reason), space_.name);
  }

  bool Report(Fact& fact) {
    if (fact.interface.empty() && fact.interface_index != 0) {
      const auto name = interfaces_.find(fact.interface_index);
      fact.interface = name != interfaces_.end() ? name->second : StrCat("#", fact.interface_index);
    }
    return reporter_.Report(space_, fact);
  }

  void ListSockets(Protocol protocol) {
    const std::string list = StrCat(kProtocolNames[static_cast<size_t>(protocol)], " sockets");
    const auto end = space_.sock_diag->Dump(SOCK_DIAG_BY_FAMILY,
                                            SockDiagRequest(protocol, OnlyListening(protocol)),
                                            [&](const NetlinkMessage& message) {
                                              context_.AddExamined(1, message.payload.size());
                                              auto fact = ParseSocket(protocol, message);
                                              if (!fact.ok()) {
                                                Note(list, ToStd(fact.status().message()));
                                                return true;
                                              }
                                              return Report(*fact);
                                            });
    if (absl::IsNotFound(end.status()) && IsIpv6(protocol) && !HasIpv6()) return;
    if (absl::IsNotFound(end.status()) && ListRawText(protocol, list)) return;
    if (!end.ok()) {
      Note(list, ToStd(end.status().message()));
    } else if (end->interrupted) {
      Note(list, "changed while they were listed");
    }
  }

  // False when there is no such text.
  bool ListRawText(Protocol protocol, std::string_view list) {
    if (protocol != Protocol::kRaw && protocol != Protocol::kRaw6) return false;
    const UniqueFd& fd = protocol == Protocol::kRaw ? space_.raw_text : space_.raw6_text;
    if (!fd.valid()) return false;
    const auto text = ReadToEnd(fd.get(), kMaxRawTextBytes);
    if (!text) {
      Note(list, std::strerror(errno));
      return true;
    }
    if (text->size() == kMaxRawTextBytes) Note(list, "the list is longer than 4 MiB");
    std::vector<absl::string_view> lines = absl::StrSplit(*text, '\n', absl::SkipEmpty());
    for (size_t i = 1; i < lines.size(); ++i) {
      context_.AddExamined(1, lines[i].size());
      auto fact = ParseRawLine(protocol, ToStd(lines[i]));
      if (!fact.ok()) {
        Note(list, ToStd(fact.status().message()));
      } else if (!Report(*fact)) {
        break;
      }
    }
    return true;
  }

  // One reading of a list. Facts go to `kept`, or, from the point where there are
  // too many of them, to the report, and there is no other try then.
  struct Reading {
    std::vector<Fact> kept;
    bool reported = false;
    bool interrupted = false;
    bool stopped = false;
  };

  bool Keep(Fact fact, Reading* reading) {
    if (fact.kind == Kind::kInterface) interfaces_[fact.interface_index] = fact.interface;
    if (!reading->reported && reading->kept.size() < kMaxKeptFacts) {
      reading->kept.push_back(std::move(fact));
      return true;
    }
    reading->reported = true;
    return ReportKept(reading) && Report(fact);
  }

  bool ReportKept(Reading* reading) {
    std::vector<Fact> kept = std::move(reading->kept);
    reading->kept.clear();
    for (Fact& fact : kept)
      if (!Report(fact)) return false;
    return true;
  }

  absl::StatusOr<Reading> Read(Kind kind, const std::string& list) {
    Reading reading;
    for (const RouteRequest& request : RouteRequests(kind)) {
      const auto end =
          space_.route->Dump(request.type, request.body, [&](const NetlinkMessage& message) {
            context_.AddExamined(1, message.payload.size());
            auto facts = ParseRouteMessage(kind, message);
            if (!facts.ok()) {
              Note(list, ToStd(facts.status().message()));
              return true;
            }
            for (Fact& fact : *facts)
              if (!Keep(std::move(fact), &reading)) return false;
            return true;
          });
      // A kernel without IPv6 has no such routes.
      if (absl::IsNotFound(end.status()) && !HasIpv6()) continue;
      DRAGNET_RETURN_IF_ERROR(end.status());
      reading.interrupted = reading.interrupted || end->interrupted;
      reading.stopped = reading.stopped || end->stopped;
      if (reading.stopped) break;
    }
    return reading;
  }

  void ListRoute(Kind kind) {
    const std::string list = StrCat(kKindNames[static_cast<size_t>(kind)], " list");
    for (int tries = 1; !context_.stopping(); ++tries) {
      auto reading = Read(kind, list);
      if (!reading.ok()) {
        Note(list, ToStd(reading.status().message()));
        return;
      }
      if (reading->stopped) return;
      if (reading->interrupted && !reading->reported && tries < kMaxTries) continue;
      if (reading->interrupted) Note(list, "changed while it was read");
      ReportKept(&*reading);
      return;
    }
  }

  const std::vector<Search>& searches_;
  NetworkNamespace& space_;
  Reporter& reporter_;
  RunContext& context_;
  absl::flat_hash_map<uint32_t, std::string> interfaces_;
};

}  // namespace

absl::Status RunSearches(const std::vector<Search>& searches, const RunOptions& options,
                         RunContext& context) {
  const bool sockets = std::any_of(searches.begin(), searches.end(), [](const Search& search) {
    return search.Wants(Kind::kSocket);
  });
  const bool only_host = std::all_of(searches.begin(), searches.end(),
                                     [](const Search& search) { return search.host_only; });
  const UserNames users = UserNames::Load("/etc/passwd");
  ProcessTable processes;
  if (sockets || !only_host) {
    ScanOptions scan;
    scan.sockets = sockets;
    scan.namespaces = !only_host;
    DRAGNET_ASSIGN_OR_RETURN(const uint64_t own, OwnNamespace());
    scan.known_namespaces.insert(own);
    processes = ScanProcesses(scan, searches, users, context);
  }
  DRAGNET_ASSIGN_OR_RETURN(
      std::vector<NetworkNamespace> spaces,
      EnterNamespaces(std::exchange(processes.namespaces, {}), only_host, context));
  if (options.drop_privilege) DRAGNET_RETURN_IF_ERROR(DropNamespacePrivilege());

  Reporter reporter(searches, processes, users, context);
  for (NetworkNamespace& space : spaces) {
    if (context.stopping()) break;
    NamespaceLister(searches, space, reporter, context).List();
  }
  return absl::OkStatus();
}

}  // namespace dragnet::netstat
