// A RunContext for tests of modules: keeps what a module reports. Thread-safe
// while the module runs; read the fields once it has returned.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/message.h"
#include "modules/module.h"

namespace dragnet {

class FakeRunContext : public RunContext {
 public:
  // EmitRow returns false from this row on; 0 is never.
  explicit FakeRunContext(size_t stop_at_row = 0) : stop_at_row_(stop_at_row) {}

  bool EmitRow(const google::protobuf::Message& row) override {
    const std::lock_guard lock(mutex_);
    rows.emplace_back(row.New());
    rows.back()->CopyFrom(row);
    if (rows.size() == stop_at_row_) stopping_ = true;
    return !stopping_;
  }

  void AddExamined(uint64_t more_items, uint64_t more_bytes) override {
    const std::lock_guard lock(mutex_);
    items += more_items;
    bytes += more_bytes;
  }

  void NoteUnexamined(std::string_view reason, std::string_view example) override {
    const std::lock_guard lock(mutex_);
    unexamined[std::string(reason)].emplace_back(example);
  }

  void NoteLimitHit(std::string_view what) override {
    const std::lock_guard lock(mutex_);
    limits_hit.emplace_back(what);
  }

  bool stopping() const override {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

  // The rows as the module's own type.
  template <typename Row>
  std::vector<Row> RowsAs() const {
    std::vector<Row> typed;
    for (const auto& row : rows) typed.push_back(dynamic_cast<const Row&>(*row));
    return typed;
  }

  std::vector<std::unique_ptr<google::protobuf::Message>> rows;
  uint64_t items = 0;
  uint64_t bytes = 0;
  // Examples by reason, all of them.
  std::map<std::string, std::vector<std::string>> unexamined;
  std::vector<std::string> limits_hit;

 private:
  const size_t stop_at_row_;
  mutable std::mutex mutex_;
  bool stopping_ = false;
};

}  // namespace dragnet
