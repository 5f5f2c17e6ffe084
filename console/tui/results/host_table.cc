#include "console/tui/results/host_table.h"

#include <algorithm>

#include "console/investigation/summary.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {

absl::StatusOr<uint32_t> HostTable::NumberLocked(const std::string& id, std::string_view name) {
  const auto [known, is_new] = numbers_.try_emplace(id, static_cast<uint32_t>(entries_.size()));
  if (!is_new) return known->second;
  if (entries_.size() >= kMaxHosts || id.size() > kMostNameBytes) {
    numbers_.erase(known);
    return absl::ResourceExhaustedError(
        StrCat("more than ", kMaxHosts, " agents in one action: don't trust this scheduler"));
  }
  Entry& entry = entries_.emplace_back();
  entry.host.id = id;
  entry.host.name = Shorten(name, kMostNameBytes);
  ++states_[entry.host.state];
  return known->second;
}

absl::StatusOr<uint32_t> HostTable::AddRows(const std::string& id, std::string_view name,
                                            uint64_t rows) {
  const WaitableMutex::Lock lock(mutex_);
  DRAGNET_ASSIGN_OR_RETURN(const uint32_t number, NumberLocked(id, name));
  entries_[number].host.rows_here += rows;
  ++version_;
  return number;
}

absl::Status HostTable::SetState(const v1::AgentState& state) {
  const bool whole = state.summaries_size() > 0 || state.has_refusal() || !state.detail().empty();
  uint64_t offset = 0;
  std::string bytes;
  if (whole) {
    bytes = state.SerializeAsString();
    DRAGNET_ASSIGN_OR_RETURN(offset, file_->Append(bytes));
  }
  const bool told =
      state.state() == v1::DISPATCH_STATE_INCOMPLETE || state.state() == v1::DISPATCH_STATE_REFUSED;
  const WaitableMutex::Lock lock(mutex_);
  DRAGNET_ASSIGN_OR_RETURN(const uint32_t number,
                           NumberLocked(state.agent_id(), state.agent_name()));
  Entry& entry = entries_[number];
  entry.offset = offset;
  entry.length = static_cast<uint32_t>(bytes.size());
  --states_[entry.host.state];
  ++states_[state.state()];
  entry.host.state = state.state();
  entry.host.rows = state.rows();
  entry.host.not_looked_at =
      told ? Shorten(NotLookedAt(action_, state), kMostReasonBytes) : std::string();
  if (entry.reason >= 0) --reasons_[static_cast<size_t>(entry.reason)].second;
  entry.reason = told ? ReasonLocked(state) : -1;
  if (entry.reason >= 0) ++reasons_[static_cast<size_t>(entry.reason)].second;
  ++version_;
  return absl::OkStatus();
}

int HostTable::ReasonLocked(const v1::AgentState& state) {
  const std::vector<std::string> words = ReasonWords(state);
  std::string word = words.empty() ? "no reason given" : Shorten(words.front(), kMostReasonBytes);
  const auto find = [&] {
    return std::find_if(reasons_.begin(), reasons_.end(),
                        [&](const auto& reason) { return reason.first == word; });
  };
  auto known = find();
  if (known == reasons_.end() && reasons_.size() + 1 >= kMostReasons) {
    // Hosts choose the words: there may be as many as hosts.
    word = "other reasons";
    known = find();
  }
  if (known == reasons_.end()) known = reasons_.insert(reasons_.end(), {word, 0});
  return static_cast<int>(known - reasons_.begin());
}

size_t HostTable::size() const {
  const WaitableMutex::Lock lock(mutex_);
  return entries_.size();
}

Host HostTable::At(uint32_t number) const {
  const WaitableMutex::Lock lock(mutex_);
  return entries_[number].host;
}

std::string HostTable::NameOf(uint32_t number) const {
  const WaitableMutex::Lock lock(mutex_);
  return entries_[number].host.name;
}

std::pair<std::string, std::string> HostTable::NamesOf(uint32_t number) const {
  const WaitableMutex::Lock lock(mutex_);
  const Host& host = entries_[number].host;
  return {host.name, host.id};
}

std::optional<uint32_t> HostTable::Find(const std::string& id) const {
  const WaitableMutex::Lock lock(mutex_);
  const auto known = numbers_.find(id);
  if (known == numbers_.end()) return std::nullopt;
  return known->second;
}

absl::StatusOr<v1::AgentState> HostTable::StateOf(uint32_t number) const {
  uint64_t offset = 0;
  uint32_t length = 0;
  v1::AgentState state;
  {
    const WaitableMutex::Lock lock(mutex_);
    const Entry& entry = entries_[number];
    offset = entry.offset;
    length = entry.length;
    state.set_agent_id(entry.host.id);
    state.set_agent_name(entry.host.name);
    state.set_state(entry.host.state);
    state.set_rows(entry.host.rows);
  }
  if (length == 0) return state;
  std::string bytes;
  DRAGNET_RETURN_IF_ERROR(file_->Read(offset, length, &bytes));
  if (!state.ParseFromString(bytes))
    return absl::DataLossError("a temporary file of this program was changed by another");
  return state;
}

uint64_t HostTable::version() const {
  const WaitableMutex::Lock lock(mutex_);
  return version_;
}

std::vector<std::pair<std::string, uint64_t>> HostTable::Reasons() const {
  std::vector<std::pair<std::string, uint64_t>> reasons;
  {
    const WaitableMutex::Lock lock(mutex_);
    reasons = reasons_;
  }
  std::erase_if(reasons, [](const auto& reason) { return reason.second == 0; });
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return reasons;
}

std::map<v1::DispatchState, uint64_t> HostTable::States() const {
  const WaitableMutex::Lock lock(mutex_);
  return states_;
}

}  // namespace dragnet::console::tui
