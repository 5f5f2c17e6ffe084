#include "modules/netstat/report.h"

#include <optional>
#include <span>

#include "core/strings.h"
#include "modules/netstat/match.h"
#include "modules/netstat/netstat.pb.h"

namespace dragnet::netstat {
namespace {

constexpr int kMaxOtherPids = 64;

std::string LocalText(const Fact& fact) {
  if (fact.protocol == Protocol::kUnix && fact.kind == Kind::kSocket) return fact.path;
  if (fact.kind == Kind::kAddress) return StrCat(fact.local.ToString(), "/", fact.local_prefix);
  return EndpointText(fact.local, fact.local_port);
}

std::string RemoteText(const Fact& fact) {
  if (fact.kind != Kind::kRoute) return EndpointText(fact.remote, fact.remote_port);
  std::string text = StrCat(fact.remote.ToString(), "/", fact.remote_prefix);
  if (!fact.gateway.empty()) StrAppend(&text, " via ", fact.gateway.ToString());
  return text;
}

void SetFact(const Fact& fact, v1::NetstatRow* row) {
  row->set_kind(std::string(kKindNames[static_cast<size_t>(fact.kind)]));
  row->set_protocol(fact.protocol_name);
  row->set_local(LocalText(fact));
  row->set_remote(RemoteText(fact));
  row->set_state(std::string(fact.state));
  row->set_interface(fact.interface);
  row->set_mac(fact.mac);
  row->set_local_address(fact.local.ToString());
  row->set_local_port(fact.local_port.value_or(0));
  row->set_remote_address(fact.remote.ToString());
  row->set_remote_port(fact.remote_port.value_or(0));
  row->set_socket_uid(fact.uid.value_or(0));
  row->set_inode(fact.inode);
  row->set_type(fact.type);
  row->set_peer_inode(fact.peer_inode);
  row->set_receive_queue(fact.receive_queue);
  row->set_send_queue(fact.send_queue);
  row->set_table(fact.table);
}

void SetProcess(const Process& process, const UserNames& users, v1::NetstatRow* row) {
  row->set_process(process.name);
  row->set_pid(process.pid);
  if (process.uid) row->set_user(users.NameOf(*process.uid));
  row->set_exe(process.exe);
  row->set_cmdline(process.cmdline);
  row->set_container(process.container);
}

}  // namespace

Reporter::Reporter(const std::vector<Search>& searches, const ProcessTable& processes,
                   const UserNames& users, RunContext& context)
    : searches_(searches),
      processes_(processes),
      users_(users),
      context_(context),
      found_(searches.size()) {}

bool Reporter::Report(const NetworkNamespace& space, const Fact& fact) {
  for (size_t i = 0; i < searches_.size(); ++i) {
    if (searches_[i].host_only && !space.is_host) continue;
    if (!FactHolds(searches_[i], fact)) continue;
    if (!Emit(i, space, fact)) return false;
  }
  return !context_.stopping();
}

bool Reporter::Emit(size_t index, const NetworkNamespace& space, const Fact& fact) {
  const Search& search = searches_[index];
  const Process* process = nullptr;
  std::span<const SocketOwner> owners;
  if (fact.kind == Kind::kSocket) owners = processes_.OwnersOf(fact.inode);
  for (const SocketOwner& owner : owners) {
    const Process& each = processes_.processes[owner.process];
    if (process == nullptr && each.holds[index]) process = &each;
  }
  std::string owner_name;
  if (fact.kind == Kind::kSocket && process == nullptr) {
    // Known processes that don't pass are no finding; unknown ones can be, when
    // nothing is asked of them but the user.
    if (!owners.empty() || search.NeedsProcess()) return true;
    if (fact.uid) owner_name = users_.NameOf(*fact.uid);
    if (!UserHolds(search, fact.uid, owner_name)) return true;
  }

  if (search.match_limit > 0 && found_[index] >= search.match_limit) {
    if (found_[index]++ == search.match_limit) {
      context_.NoteLimitHit(
          StrCat("match_limit of search ", search.label, ": ", search.match_limit, " rows"));
    }
    return true;
  }
  ++found_[index];

  v1::NetstatRow row;
  SetFact(fact, &row);
  if (process != nullptr) {
    SetProcess(*process, users_, &row);
    for (const SocketOwner& owner : owners) {
      const uint32_t pid = processes_.processes[owner.process].pid;
      if (pid != process->pid && row.other_pids_size() < kMaxOtherPids) row.add_other_pids(pid);
    }
  } else {
    row.set_user(owner_name);
  }
  row.set_namespace_(space.name);
  row.set_namespace_inode(space.inode);
  row.set_search(search.label);
  return context_.EmitRow(row);
}

}  // namespace dragnet::netstat
