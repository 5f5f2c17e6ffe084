#include "modules/firewall/dump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/netstat/netlink.h"

namespace dragnet::firewall {
namespace {

using netstat::NetlinkMessage;
using netstat::NetlinkSocket;

constexpr uint16_t kSubsystem = NFNL_SUBSYS_NFTABLES << 8;
// A rule set that changes while it is read is read again so many times.
constexpr int kAttempts = 5;
constexpr size_t kMaxSets = 4096;

std::string Header(uint8_t family) {
  const nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
  return std::string(reinterpret_cast<const char*>(&header), sizeof header);
}

void AppendAttribute(uint16_t type, std::string_view value, std::string* message) {
  nlattr header = {};
  header.nla_len = static_cast<uint16_t>(sizeof header + value.size());
  header.nla_type = type;
  message->append(reinterpret_cast<const char*>(&header), sizeof header);
  message->append(value);
  message->append((4 - value.size() % 4) % 4, '\0');
}

class Taker {
 public:
  explicit Taker(NetlinkSocket socket) : socket_(std::move(socket)) {}

  absl::StatusOr<Dump> Take() {
    Dump dump;
    size_t left = kMaxDumpBytes;
    changed_ = false;
    listed_ = false;
    generation_.reset();
    DRAGNET_RETURN_IF_ERROR(
        Ask(NFT_MSG_GETTABLE, NFT_MSG_NEWTABLE, Header(0), &left, &dump.tables));
    listed_ = true;
    DRAGNET_RETURN_IF_ERROR(
        Ask(NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, Header(0), &left, &dump.chains));
    DRAGNET_RETURN_IF_ERROR(Ask(NFT_MSG_GETRULE, NFT_MSG_NEWRULE, Header(0), &left, &dump.rules));
    DRAGNET_RETURN_IF_ERROR(Ask(NFT_MSG_GETSET, NFT_MSG_NEWSET, Header(0), &left, &dump.sets));
    if (dump.sets.size() > kMaxSets) return absl::ResourceExhaustedError("more than 4096 sets");
    for (const RawMessage& set : dump.sets) {
      const auto request = ElementsRequest(set);
      if (!request) return absl::InvalidArgumentError("a set without a name");
      const absl::Status status =
          Ask(NFT_MSG_GETSETELEM, NFT_MSG_NEWSETELEM, *request, &left, &dump.elements);
      // Removed since it was listed.
      if (absl::IsNotFound(status)) {
        changed_ = true;
        continue;
      }
      DRAGNET_RETURN_IF_ERROR(status);
    }
    return dump;
  }

  // Whether the last Take was of one moment.
  bool changed() const { return changed_; }
  // Whether the last Take got as far as the tables.
  bool listed() const { return listed_; }

 private:
  // Copies the two names.
  static std::optional<std::string> ElementsRequest(const RawMessage& set) {
    std::string_view table, name;
    const absl::Status status =
        netstat::ForEachAttribute(set.attributes, [&](uint16_t type, std::string_view value) {
          if (type == NFTA_SET_TABLE) table = value;
          if (type == NFTA_SET_NAME) name = value;
        });
    if (!status.ok() || table.empty() || name.empty() || table.size() > NFT_NAME_MAXLEN ||
        name.size() > NFT_NAME_MAXLEN) {
      return std::nullopt;
    }
    std::string request = Header(set.family);
    AppendAttribute(NFTA_SET_ELEM_LIST_TABLE, table, &request);
    AppendAttribute(NFTA_SET_ELEM_LIST_SET, name, &request);
    return request;
  }

  absl::Status Ask(uint16_t question, uint16_t answer, const std::string& request, size_t* left,
                   std::vector<RawMessage>* messages) {
    bool full = false;
    const auto end =
        socket_.Dump(kSubsystem | question, request, [&](const NetlinkMessage& message) {
          if (message.type != (kSubsystem | answer)) return true;
          std::string_view payload = message.payload;
          nfgenmsg header;
          if (!netstat::TakeStruct(&payload, &header)) return true;
          // Each change of the rules has a number, of which this is the lower half.
          if (generation_.value_or(header.res_id) != header.res_id) changed_ = true;
          generation_ = header.res_id;
          const size_t cost = payload.size() + sizeof(RawMessage);
          if (cost > *left) {
            full = true;
            return false;
          }
          *left -= cost;
          messages->push_back({answer, header.nfgen_family, std::string(payload)});
          return true;
        });
    DRAGNET_RETURN_IF_ERROR(end.status());
    if (full) return absl::ResourceExhaustedError("rules of more than 64 MiB");
    if (end->interrupted) changed_ = true;
    return absl::OkStatus();
  }

  NetlinkSocket socket_;
  bool changed_ = false;
  bool listed_ = false;
  std::optional<uint16_t> generation_;
};

}  // namespace

absl::StatusOr<Dump> TakeDump(RunContext& context) {
  auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
  Dump none;
  none.absent = true;
  if (absl::IsNotFound(socket.status())) return none;
  DRAGNET_RETURN_IF_ERROR(socket.status());
  Taker taker(*std::move(socket));
  for (int attempt = 1;; ++attempt) {
    auto dump = taker.Take();
    // EINVAL: a kernel without nf_tables, which it would load when it is asked.
    if (!dump.ok() && !taker.listed() && !absl::IsPermissionDenied(dump.status()) &&
        dump.status().message().find("Invalid argument") != absl::string_view::npos)
      return none;
    DRAGNET_RETURN_IF_ERROR(dump.status());
    if (!taker.changed()) return dump;
    if (attempt == kAttempts) {
      context.NoteUnexamined("rules that change while they are read", "nf_tables");
      dump->incomplete = true;
      return dump;
    }
  }
}

absl::Status DropFirewallPrivilege() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0)
    return ErrnoStatus("ask for this thread's capabilities", errno);
  constexpr uint32_t kBit = CAP_TO_MASK(CAP_NET_ADMIN);
  auto& word = data[CAP_TO_INDEX(CAP_NET_ADMIN)];
  if (((word.effective | word.permitted | word.inheritable) & kBit) == 0) return absl::OkStatus();
  word.effective &= ~kBit;
  word.permitted &= ~kBit;
  // The ambient set follows these two (capabilities(7)).
  word.inheritable &= ~kBit;
  if (::syscall(SYS_capset, &header, data) != 0) return ErrnoStatus("give up CAP_NET_ADMIN", errno);
  return absl::OkStatus();
}

}  // namespace dragnet::firewall
