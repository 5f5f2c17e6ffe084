#include "console/analysis/stack_counter.h"

#include <algorithm>
#include <memory>

#include "console/analysis/projection.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// What a value costs beside its bytes: nodes, buckets, the vector.
constexpr size_t kEntryBytes = 128;

}  // namespace

absl::Status StackCounter::Add(std::string_view agent_id, const google::protobuf::Message& row) {
  const std::unique_ptr<google::protobuf::Message> kept(row.New());
  kept->CopyFrom(row);
  KeepColumns(columns_, kept.get());
  const uint32_t agent =
      agents_.try_emplace(std::string(agent_id), static_cast<uint32_t>(agents_.size()))
          .first->second;
  const auto [entry, is_new] = counts_.try_emplace(CanonicalBytes(*kept));
  Count& count = entry->second;
  ++rows_;
  ++count.rows;
  if (is_new) bytes_ += entry->first.size() + kEntryBytes;
  const auto place = std::lower_bound(count.agents.begin(), count.agents.end(), agent);
  if (place == count.agents.end() || *place != agent) {
    count.agents.insert(place, agent);
    bytes_ += sizeof agent;
  }
  if (counts_.size() > max_values_ || bytes_ > max_bytes_) {
    return absl::ResourceExhaustedError(
        StrCat("--stack: more than ", max_values_, " different values, or ", max_bytes_ >> 20,
               " MiB of them: stack by other columns, or let --where take fewer rows"));
  }
  return absl::OkStatus();
}

v1::StackResponse StackCounter::Response(uint32_t limit, bool most_frequent_first) const {
  using Entry = std::pair<const std::string, Count>;
  std::vector<const Entry*> entries;
  entries.reserve(counts_.size());
  for (const Entry& entry : counts_) entries.push_back(&entry);
  const size_t wanted = std::min<size_t>(limit, entries.size());
  const auto before = [&](const Entry* a, const Entry* b) {
    if (a->second.rows != b->second.rows)
      return (a->second.rows > b->second.rows) == most_frequent_first;
    return a->first < b->first;
  };
  std::partial_sort(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(wanted),
                    entries.end(), before);
  v1::StackResponse response;
  for (size_t i = 0; i < wanted; ++i) {
    v1::StackResponse::Entry* entry = response.add_entries();
    entry->set_row(entries[i]->first);
    entry->set_rows(entries[i]->second.rows);
    entry->set_agents(entries[i]->second.agents.size());
  }
  response.set_rows(rows_);
  response.set_different(counts_.size());
  return response;
}

}  // namespace dragnet::console
