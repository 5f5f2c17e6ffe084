// A query whose answer may be long, read a page at a time: an engine that keeps the whole
// answer to a query in memory keeps no more of it than a page. Its rows are in the order
// of their first column, an integer, which is unique among them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "scheduler/store/database.h"

namespace dragnet::scheduler {

// A record has half a megabyte at most; what is read of a pair, some kilobytes.
inline constexpr int kRecordsPerPage = 64;
inline constexpr int kPairsPerPage = 512;

class PagedQuery {
 public:
  // `ask`: those behind `after`, at most `limit`. `page` rows; of an engine that keeps
  // nothing, all at once.
  using Asking = std::function<Query(int64_t after, int limit)>;

  PagedQuery(const Database& database, int64_t after, int page, Asking ask)
      : ask_(std::move(ask)), page_(database.remote() ? page : INT32_MAX), after_(after) {}

  // As of Query.
  bool Next() {
    while (true) {
      if (!query_.has_value()) query_.emplace(ask_(after_, page_));
      if (query_->Next()) {
        after_ = query_->Integer(0);
        ++read_;
        return true;
      }
      if (!query_->status().ok() || read_ < page_) return false;
      query_.reset();
      read_ = 0;
    }
  }
  const absl::Status& status() const { return query_->status(); }

  int64_t Integer(int column) const { return query_->Integer(column); }
  bool IsNull(int column) const { return query_->IsNull(column); }
  std::string Text(int column) const { return query_->Text(column); }
  std::string_view View(int column) const { return query_->View(column); }
  absl::Time Time(int column) const { return query_->Time(column); }

 private:
  const Asking ask_;
  const int page_;
  int64_t after_;
  int read_ = 0;
  std::optional<Query> query_;
};

}  // namespace dragnet::scheduler
