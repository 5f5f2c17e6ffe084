// The parameters, checked and compiled: the same code decides in the console
// whether they can run, and in the worker what they find. Immutable and
// thread-safe once made.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/netstat/address.h"
#include "modules/netstat/fact.h"
#include "modules/netstat/netstat.pb.h"
#include "re2/re2.h"

namespace dragnet::netstat {

inline constexpr int kMaxSearches = 256;
inline constexpr int kMaxValues = 1024;
inline constexpr int kMaxPatterns = 256;
inline constexpr size_t kMaxPatternBytes = 4096;
inline constexpr size_t kMaxLabelBytes = 128;
// Of all patterns together; each gets an equal share of it, up to kMaxPatternMemory.
inline constexpr size_t kPatternMemory = 16 * 1024 * 1024;
inline constexpr size_t kMaxPatternMemory = 4 * 1024 * 1024;

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

// The values of one filter: some of `any` must match, if there is one, and none
// of `none`.
template <typename Value>
struct ValueSet {
  std::vector<Value> any;
  std::vector<Value> none;

  bool empty() const { return any.empty() && none.empty(); }

  template <typename Matches>
  bool Holds(const Matches& matches) const {
    bool holds = any.empty();
    for (const Value& value : any) holds = holds || matches(value);
    for (const Value& value : none) holds = holds && !matches(value);
    return holds;
  }
};

using Pattern = std::unique_ptr<const RE2>;

struct Search {
  std::string label;
  // A bit 1 << Kind, or 1 << Protocol, for each that can be found.
  uint32_t kinds = 0;
  uint32_t protocols = 0;
  ValueSet<Network> local;
  ValueSet<Network> remote;
  ValueSet<PortRange> local_ports;
  ValueSet<PortRange> remote_ports;
  ValueSet<std::string> states;
  bool listening = false;
  bool bound_udp = false;
  ValueSet<Pattern> processes;
  ValueSet<Pattern> exes;
  ValueSet<Pattern> cmdlines;
  ValueSet<uint32_t> pids;
  ValueSet<std::string> users;
  ValueSet<std::string> containers;
  ValueSet<Pattern> macs;
  ValueSet<Pattern> interfaces;
  bool host_only = false;
  uint32_t match_limit = 0;

  bool Wants(Kind kind) const { return kinds & (1u << static_cast<int>(kind)); }
  bool Wants(Protocol protocol) const {
    return Wants(Kind::kSocket) && protocols & (1u << static_cast<int>(protocol));
  }
  // Whether only a known process can be a finding.
  bool NeedsProcess() const {
    return !processes.empty() || !exes.empty() || !cmdlines.empty() || !pids.empty() ||
           !containers.empty();
  }
};

// InvalidArgument names the field and the value, and says what to do.
absl::StatusOr<std::vector<Search>> CompileSearches(const v1::NetstatParameters& parameters);

}  // namespace dragnet::netstat
