#include "console/tui/results/row_parser.h"

#include <tuple>

#include "core/status_macros.h"

namespace dragnet::console::tui {

absl::Status RowParser::Read(uint32_t row) {
  DRAGNET_RETURN_IF_ERROR(reader_.Read(row, &bytes_, &agent_));
  readable_ = message_->ParseFromArray(bytes_.data(), static_cast<int>(bytes_.size()));
  if (!readable_) message_->Clear();
  return absl::OkStatus();
}

void RowParser::FindNames() {
  if (named_ == agent_) return;
  std::tie(name_, id_) = results_->hosts.NamesOf(agent_);
  named_ = agent_;
}

const std::string& RowParser::agent_name() {
  FindNames();
  return name_;
}

const std::string& RowParser::agent_id() {
  FindNames();
  return id_;
}

}  // namespace dragnet::console::tui
