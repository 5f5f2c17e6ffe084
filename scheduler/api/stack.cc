#include "scheduler/api/stack.h"

#include <algorithm>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {
namespace {

// Rows may have two bytes: some hundred thousand of them, and a record more.
constexpr size_t kStepBytes = 256 * 1024;
constexpr uint32_t kDefaultLimit = 1000;
constexpr uint32_t kMaxLimit = 10'000;
// Consoles take messages of 4 MiB.
constexpr size_t kMaxAnswerBytes = 2 * 1024 * 1024;
// Beside its bytes: the map's node, with what the allocator adds.
constexpr size_t kBytesPerValue = 112;
// A hash set of numbers, at the moment that it grows.
constexpr size_t kBytesPerAgent = 24;
constexpr int kAgentBits = 40;

size_t LimitOf(const v1::StackRequest& request) {
  return request.limit() == 0 ? kDefaultLimit : request.limit();
}

}  // namespace

absl::StatusOr<Stacking> Stacking::Create(Store& store, const v1::StackRequest& request,
                                          const StackBounds& bounds) {
  if (!IsActionId(request.action_id()))
    return absl::InvalidArgumentError("action_id: give the whole id");
  if (request.limit() > kMaxLimit)
    return absl::InvalidArgumentError(StrCat("limit: at most ", kMaxLimit));
  std::vector<std::vector<uint32_t>> paths;
  for (const v1::StackColumn& column : request.columns()) {
    paths.emplace_back(column.field_numbers().begin(), column.field_numbers().end());
    // More are refused below, by their number.
    if (paths.size() > kMaxStackColumns) break;
  }
  DRAGNET_ASSIGN_OR_RETURN(RowColumns columns, RowColumns::Create(paths));
  return Stacking(store, request, std::move(columns), bounds);
}

absl::StatusOr<bool> Stacking::Step() {
  const uint64_t before = position_;
  DRAGNET_ASSIGN_OR_RETURN(
      position_, store_->ReadRows(request_.action_id(), request_.operation(), position_, kStepBytes,
                                  [this](uint64_t agent, std::string_view rows) -> absl::Status {
                                    absl::Status counted;
                                    const bool read = ForEachRow(rows, [&](std::string_view row) {
                                      if (counted.ok()) counted = Count(agent, row);
                                    });
                                    if (!read)
                                      return absl::DataLossError("stored rows don't parse");
                                    return counted;
                                  }));
  return position_ == before;
}

absl::Status Stacking::Count(uint64_t agent, std::string_view row) {
  if (!columns_.Extract(row, &key_)) {
    ++unreadable_;
    return absl::OkStatus();
  }
  ++rows_;
  auto found = values_.find(key_);
  if (found == values_.end()) {
    if (values_.size() >= bounds_.different)
      return absl::ResourceExhaustedError(
          StrCat("more than ", bounds_.different, " different values: stack by fewer columns"));
    DRAGNET_RETURN_IF_ERROR(Hold(kBytesPerValue + key_.size()));
    const auto index = static_cast<uint32_t>(values_.size());
    found = values_.emplace(key_, Value{.first_agent = agent, .last_agent = agent, .index = index})
                .first;
    found->second.agents = 1;
  }
  ++found->second.rows;
  return CountAgent(agent, &found->second);
}

absl::Status Stacking::CountAgent(uint64_t agent, Value* value) {
  if (agent == value->last_agent || agent == value->first_agent) return absl::OkStatus();
  value->last_agent = agent;
  if (!more_agents_.insert(uint64_t{value->index} << kAgentBits | agent).second)
    return absl::OkStatus();
  ++value->agents;
  return Hold(kBytesPerAgent);
}

absl::Status Stacking::Hold(size_t bytes) {
  bytes_ += bytes;
  if (bytes_ <= bounds_.bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(StrCat("the different values take more than ",
                                             bounds_.bytes / (1024 * 1024),
                                             " MiB: stack by fewer columns"));
}

void Stacking::Answer(v1::StackResponse* response) const {
  response->set_rows(rows_);
  response->set_different(values_.size());
  response->set_unreadable(unreadable_);
  std::vector<const Values::value_type*> order;
  order.reserve(values_.size());
  for (const auto& value : values_) order.push_back(&value);
  const auto wanted =
      order.begin() + static_cast<ptrdiff_t>(std::min(LimitOf(request_), order.size()));
  const bool frequent_first = request_.most_frequent_first();
  std::partial_sort(order.begin(), wanted, order.end(), [&](const auto* a, const auto* b) {
    if (a->second.rows != b->second.rows)
      return frequent_first ? a->second.rows > b->second.rows : a->second.rows < b->second.rows;
    return a->first < b->first;
  });
  size_t bytes = 0;
  for (auto value = order.begin(); value != wanted; ++value) {
    bytes += (*value)->first.size() + 32;
    if (value != order.begin() && bytes > kMaxAnswerBytes) break;
    v1::StackResponse::Entry* entry = response->add_entries();
    entry->set_row((*value)->first);
    entry->set_rows((*value)->second.rows);
    entry->set_agents((*value)->second.agents);
  }
}

}  // namespace dragnet::scheduler
