#include "console/tui/views/fleet_model.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

constexpr size_t kMostTagKeys = 64;
constexpr size_t kMostTagKeyBytes = 64;

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// The digits at the front of `text`, without leading zeros; goes on behind them.
std::string_view TakeNumber(std::string_view* text) {
  size_t end = 0;
  while (end < text->size() && IsDigit((*text)[end])) ++end;
  std::string_view digits = text->substr(0, end);
  text->remove_prefix(end);
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return digits;
}

template <class Value>
int Compare(const Value& a, const Value& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// What needs someone's eyes first.
int Rank(v1::AgentInfo::State state) {
  switch (state) {
    case v1::AgentInfo::STATE_DUPLICATE:
      return 0;
    case v1::AgentInfo::STATE_ONLINE:
      return 1;
    case v1::AgentInfo::STATE_IDLE:
      return 2;
    case v1::AgentInfo::STATE_OFFLINE:
      return 3;
    case v1::AgentInfo::STATE_REVOKED:
      return 4;
    default:
      return 5;
  }
}

int CompareBy(FleetColumn column, const FleetRow& a, const FleetRow& b) {
  switch (column) {
    case FleetColumn::kName:
      return CompareNaturally(a.name, b.name);
    case FleetColumn::kState:
      return Compare(Rank(a.state), Rank(b.state));
    case FleetColumn::kSystem:
      return CompareNaturally(a.system, b.system);
    case FleetColumn::kVersion:
      return CompareNaturally(a.version, b.version);
    case FleetColumn::kPolicy:
      return Compare(a.policy, b.policy);
    case FleetColumn::kTags:
      return CompareNaturally(a.tags, b.tags);
    case FleetColumn::kArch:
      return CompareNaturally(a.arch, b.arch);
    case FleetColumn::kAddress:
      return CompareNaturally(a.address, b.address);
    case FleetColumn::kLastSeen:
      // The latest first, as one expects of ages: "3 s" before "2 h".
      return Compare(b.last_seen, a.last_seen);
  }
  return 0;
}

}  // namespace

std::string SystemOf(const v1::Facts& facts) {
  if (facts.distribution().empty()) return Shorten(facts.os(), FleetRow::kMostText);
  return Shorten(StrCat(facts.distribution(), facts.distribution_version().empty() ? "" : " ",
                        facts.distribution_version()),
                 FleetRow::kMostText);
}

std::string TagsOf(const v1::Facts& facts, size_t max_bytes) {
  const std::map<std::string, std::string> sorted(facts.tags().begin(), facts.tags().end());
  std::string text;
  for (const auto& [key, value] : sorted) {
    StrAppend(&text, text.empty() ? "" : " ", key, "=", value);
    if (text.size() > max_bytes) return Shorten(text, max_bytes);
  }
  return text;
}

FleetRow FleetRowOf(const v1::AgentInfo& info) {
  const v1::Facts& facts = info.facts();
  FleetRow row;
  row.id = Shorten(facts.id(), FleetRow::kMostText);
  row.name = Shorten(facts.name(), FleetRow::kMostText);
  row.system = SystemOf(facts);
  row.version = Shorten(facts.version(), FleetRow::kMostText);
  row.tags = TagsOf(facts, FleetRow::kMostTags);
  row.arch = Shorten(facts.arch(), FleetRow::kMostText);
  if (!facts.addresses().empty()) row.address = Shorten(facts.addresses(0), FleetRow::kMostText);
  row.state =
      v1::AgentInfo::State_IsValid(info.state()) ? info.state() : v1::AgentInfo::STATE_UNSPECIFIED;
  row.policy = info.trust_policy_version();
  const absl::StatusOr<absl::Time> seen = ToTime(info.last_seen());
  row.last_seen = info.has_last_seen() && seen.ok() ? *seen : absl::InfinitePast();
  return row;
}

std::string_view StateText(v1::AgentInfo::State state) {
  switch (state) {
    case v1::AgentInfo::STATE_ONLINE:
      return "● online";
    case v1::AgentInfo::STATE_IDLE:
      return "○ idle";
    case v1::AgentInfo::STATE_OFFLINE:
      return "· offline";
    case v1::AgentInfo::STATE_DUPLICATE:
      return "! duplicate";
    case v1::AgentInfo::STATE_REVOKED:
      return "x revoked";
    default:
      return "? unknown";
  }
}

Style StyleOf(v1::AgentInfo::State state) {
  switch (state) {
    case v1::AgentInfo::STATE_ONLINE:
      return {Role::kClean};
    case v1::AgentInfo::STATE_IDLE:
      return {Role::kWarning};
    case v1::AgentInfo::STATE_DUPLICATE:
      return kError;
    case v1::AgentInfo::STATE_REVOKED:
      return {Role::kFailed};
    default:
      return kMuted;
  }
}

int CompareNaturally(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (IsDigit(a.front()) && IsDigit(b.front())) {
      const std::string_view x = TakeNumber(&a);
      const std::string_view y = TakeNumber(&b);
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
      if (const int order = x.compare(y); order != 0) return order < 0 ? -1 : 1;
      continue;
    }
    const auto x = static_cast<unsigned char>(absl::ascii_tolower(a.front()));
    const auto y = static_cast<unsigned char>(absl::ascii_tolower(b.front()));
    if (x != y) return x < y ? -1 : 1;
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.empty() ? (b.empty() ? 0 : -1) : 1;
}

void FleetModel::Replace(std::vector<FleetRow> rows) {
  rows_ = std::move(rows);
  if (rows_.size() > kMostRows) rows_.resize(kMostRows);
  std::fill(std::begin(counts_), std::end(counts_), 0);
  std::set<std::string> keys;
  for (const FleetRow& row : rows_) {
    ++counts_[row.state];
    if (keys.size() >= kMostTagKeys) continue;
    for (const auto tag : absl::StrSplit(row.tags, ' ')) {
      const size_t equals = tag.find('=');
      if (equals != absl::string_view::npos && equals > 0 && equals <= kMostTagKeyBytes)
        keys.emplace(tag.substr(0, equals));
    }
  }
  tag_keys_.assign(keys.begin(), keys.end());
  order_.resize(rows_.size());
  Sort(column_, descending_);
}

void FleetModel::Sort(FleetColumn column, bool descending) {
  column_ = column;
  descending_ = descending;
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(), [&](uint32_t i, uint32_t j) {
    const FleetRow& a = rows_[i];
    const FleetRow& b = rows_[j];
    if (const int by = CompareBy(column, a, b); by != 0) return descending ? by > 0 : by < 0;
    // The same always comes the same, whatever the scheduler's order.
    if (const int by = CompareNaturally(a.name, b.name); by != 0) return by < 0;
    return a.id < b.id;
  });
}

size_t FleetModel::Find(std::string_view id) const {
  for (size_t i = 0; i < order_.size(); ++i)
    if (At(i).id == id) return i;
  return order_.size();
}

uint64_t FleetModel::Count(v1::AgentInfo::State state) const { return counts_[state]; }

}  // namespace dragnet::console::tui
