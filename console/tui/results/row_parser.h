// Rows of one operation as messages of its module. Not thread-safe: one for each
// who reads; may move between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "console/tui/results/result_set.h"
#include "google/protobuf/message.h"
#include "modules/module.h"

namespace dragnet::console::tui {

class RowParser {
 public:
  RowParser(std::shared_ptr<const ResultSet> results, uint32_t operation, const Module& module)
      : results_(std::move(results)),
        reader_(*results_->rows[operation]),
        message_(module.NewRow()) {}

  // An error is the scratch file's. What isn't a row of the module is read as an
  // empty one, and not readable().
  absl::Status Read(uint32_t row);

  // Of the row that was read last.
  const google::protobuf::Message& message() const { return *message_; }
  bool readable() const { return readable_; }
  std::string_view bytes() const { return bytes_; }
  uint32_t agent() const { return agent_; }
  const std::string& agent_name();
  const std::string& agent_id();
  const google::protobuf::Descriptor* type() const { return message_->GetDescriptor(); }

 private:
  void FindNames();

  std::shared_ptr<const ResultSet> results_;
  RowReader reader_;
  std::unique_ptr<google::protobuf::Message> message_;
  std::string_view bytes_;
  bool readable_ = false;
  uint32_t agent_ = 0;
  // Rows of one agent often follow each other.
  uint32_t named_ = ~uint32_t{0};
  std::string name_;
  std::string id_;
};

}  // namespace dragnet::console::tui
