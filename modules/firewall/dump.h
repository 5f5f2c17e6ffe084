// The kernel's answers about its firewall, taken with CAP_NET_ADMIN and read without.
//
// Order matters: nfnetlink answers only to CAP_NET_ADMIN, with which rules can be
// changed, too. So everything is asked for first and kept as it came; then the
// capability is given up for good; only then are the answers read. One thing is
// looked at in between: elements of sets are told only for one set at a time, so
// the sets' names and tables are copied from one answer into the next questions
// (ForEachAttribute, bounds checked, bytes not interpreted).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/module.h"

namespace dragnet::firewall {

// Of all answers together.
inline constexpr size_t kMaxDumpBytes = 64 * 1024 * 1024;

// A message of nf_tables: its kind (NFT_MSG_…), its family, its attributes.
struct RawMessage {
  uint16_t type = 0;
  uint8_t family = 0;
  std::string attributes;
};

struct Dump {
  std::vector<RawMessage> tables;
  std::vector<RawMessage> chains;
  std::vector<RawMessage> rules;
  std::vector<RawMessage> sets;
  std::vector<RawMessage> elements;
  // The kernel has no nf_tables.
  bool absent = false;
  // What could not be had whole is noted; reachability can't be told then.
  bool incomplete = false;
};

// Takes the rules of the calling thread's network namespace. PermissionDenied without
// CAP_NET_ADMIN.
absl::StatusOr<Dump> TakeDump(RunContext& context);

// Takes CAP_NET_ADMIN from all sets of the calling thread, for good. OK when it has none.
absl::Status DropFirewallPrivilege();

}  // namespace dragnet::firewall
