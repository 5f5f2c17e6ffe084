// The agents of the Fleet screen, kept small: what a row shows and no more. Plain
// values; not thread-safe.
//
// Bounds: kMostRows agents; each takes at most about 700 bytes (its texts are cut
// as below), 300 mostly. So 10,000 agents are 3 MB, and the worst is 35 MB.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "console/tui/screen/style.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

struct FleetRow {
  static constexpr size_t kMostText = 128;
  static constexpr size_t kMostTags = 256;

  std::string id;
  // Raw text from hosts.
  std::string name;
  std::string system;
  std::string version;
  std::string tags;
  std::string arch;
  std::string address;
  v1::AgentInfo::State state = v1::AgentInfo::STATE_UNSPECIFIED;
  uint64_t policy = 0;
  // InfinitePast: never.
  absl::Time last_seen;
};

FleetRow FleetRowOf(const v1::AgentInfo& info);

// A sign and a word for each state: "● online".
std::string_view StateText(v1::AgentInfo::State state);
Style StyleOf(v1::AgentInfo::State state);

// "debian 12", or the kernel family.
std::string SystemOf(const v1::Facts& facts);
// "env=prod role=web", in order of the keys.
std::string TagsOf(const v1::Facts& facts, size_t max_bytes);

enum class FleetColumn {
  kName,
  kState,
  kSystem,
  kVersion,
  kPolicy,
  kTags,
  kArch,
  kAddress,
  kLastSeen
};

// -1, 0, 1, with numbers in texts compared as numbers: web2 is before web10.
int CompareNaturally(std::string_view a, std::string_view b);

class FleetModel {
 public:
  static constexpr size_t kMostRows = 50'000;

  const std::vector<FleetRow>& rows() const { return rows_; }
  // Rows in the order in which they are shown.
  const FleetRow& At(size_t position) const { return rows_[order_[position]]; }
  size_t size() const { return order_.size(); }

  void Replace(std::vector<FleetRow> rows);
  void Sort(FleetColumn column, bool descending);
  FleetColumn sorted_by() const { return column_; }
  bool descending() const { return descending_; }

  // Position of an agent; size() when it isn't there.
  size_t Find(std::string_view id) const;
  // How many are in a state.
  uint64_t Count(v1::AgentInfo::State state) const;
  // Keys of tags that were seen, sorted, at most 64.
  const std::vector<std::string>& tag_keys() const { return tag_keys_; }

 private:
  std::vector<FleetRow> rows_;
  std::vector<uint32_t> order_;
  uint64_t counts_[v1::AgentInfo::State_ARRAYSIZE] = {};
  std::vector<std::string> tag_keys_;
  FleetColumn column_ = FleetColumn::kName;
  bool descending_ = false;
};

}  // namespace dragnet::console::tui
