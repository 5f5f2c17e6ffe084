// Fetches all agents that a target selects, page by page and in the background,
// and the count of them beforehand. On the loop's thread only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/investigation/delivery.h"
#include "console/tui/backend.h"
#include "console/tui/views/fleet_model.h"

namespace dragnet::console::tui {

class AgentPages {
 public:
  struct Hooks {
    // More of them, while they come for the first time.
    std::function<void(const std::vector<FleetRow>& so_far, uint64_t total)> on_part;
    // All, at most FleetModel::kMostRows, and how many there are.
    std::function<void(std::vector<FleetRow> rows, uint64_t total)> on_all;
    std::function<void(const absl::Status&)> on_error;
  };
  AgentPages(Backend& backend, Hooks hooks) : backend_(backend), hooks_(std::move(hooks)) {}

  // What was being fetched is forgotten. `parts`: on_part is wanted.
  void Fetch(const std::string& target, bool parts);
  void Stop();
  bool busy() const { return fetching_ != nullptr; }
  // How long the last whole fetch took: to ask a large fleet less often.
  absl::Duration took() const { return took_; }

 private:
  struct Fetching {
    std::string target;
    bool parts = false;
    std::string page_token;
    std::vector<FleetRow> rows;
    size_t told = 0;
    absl::Time began;
  };
  struct Page {
    std::vector<FleetRow> rows;
    std::string next;
    uint64_t total = 0;
  };
  static absl::StatusOr<Page> FetchPage(Client& client, const std::string& target,
                                        const std::string& token);
  void Next();
  void OnPage(absl::StatusOr<Page> page);

  Backend& backend_;
  const Hooks hooks_;
  // Owns the call that runs.
  std::shared_ptr<Fetching> fetching_;
  absl::Duration took_;
};

}  // namespace dragnet::console::tui
