#include "console/tui/results/result_set.h"

#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

class ResultStream : public Stream<ResultNews> {
 public:
  ResultStream(std::unique_ptr<EventStream> events, std::shared_ptr<ResultSet> results)
      : events_(std::move(events)), results_(std::move(results)) {}

  StreamStep Next(absl::Duration timeout, ResultNews* news) override {
    if (!status_.ok()) return StreamStep::kEnd;
    const StreamStep step = events_->Next(timeout, &event_);
    if (step == StreamStep::kEnd) status_ = events_->status();
    if (step != StreamStep::kEvent) return step;
    *news = ResultNews();
    status_ = Take(news);
    return status_.ok() ? StreamStep::kEvent : StreamStep::kEnd;
  }
  absl::Status status() const override { return status_; }

 private:
  absl::Status Take(ResultNews* news) {
    switch (event_.content_case()) {
      case v1::WatchEvent::kRows:
        DRAGNET_RETURN_IF_ERROR(TakeRows(event_.rows()));
        break;
      case v1::WatchEvent::kAgentState:
        DRAGNET_RETURN_IF_ERROR(results_->hosts.SetState(event_.agent_state()));
        break;
      case v1::WatchEvent::kProgress:
        news->progress = event_.progress();
        break;
      case v1::WatchEvent::kEnd:
        news->progress = event_.end().progress();
        news->end = true;
        break;
      case v1::WatchEvent::CONTENT_NOT_SET:
        break;
    }
    // Only now: what failed is asked for again.
    if (event_.cursor() > results_->cursor.load()) results_->cursor.store(event_.cursor());
    return absl::OkStatus();
  }

  absl::Status TakeRows(const v1::AgentRows& rows) {
    const auto count = static_cast<uint64_t>(rows.rows_size());
    if (rows.operation() >= results_->rows.size()) {
      results_->rows_lost += count;
      return absl::OkStatus();
    }
    DRAGNET_ASSIGN_OR_RETURN(const uint32_t agent,
                             results_->hosts.AddRows(rows.agent_id(), rows.agent_name(), 0));
    DRAGNET_RETURN_IF_ERROR(results_->rows[rows.operation()]->Append(agent, rows.rows()));
    return results_->hosts.AddRows(rows.agent_id(), rows.agent_name(), count).status();
  }

  const std::unique_ptr<EventStream> events_;
  const std::shared_ptr<ResultSet> results_;
  v1::WatchEvent event_;
  absl::Status status_;
};

}  // namespace

ResultSet::ResultSet(const v1::Action& signed_action, std::shared_ptr<ScratchFile> file)
    : action(signed_action), hosts(file, signed_action) {
  for (int i = 0; i < action.operations_size(); ++i)
    rows.push_back(std::make_unique<RowStore>(file));
}

uint64_t ResultSet::row_count() const {
  uint64_t count = 0;
  for (const auto& store : rows) count += store->size();
  return count;
}

absl::StatusOr<std::unique_ptr<Stream<ResultNews>>> OpenResults(
    Client& client, std::shared_ptr<ResultSet> results) {
  v1::WatchRequest request;
  request.set_action_id(results->action.id());
  request.set_until_expired(true);
  request.set_after(results->cursor.load());
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<EventStream> events, client.Watch(request));
  return std::make_unique<ResultStream>(std::move(events), std::move(results));
}

}  // namespace dragnet::console::tui
