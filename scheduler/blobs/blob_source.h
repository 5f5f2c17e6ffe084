// Where blobs come from that aren't here, and whether they are anywhere else: of several
// schedulers, which have their files each. Thread-safe; all calls block.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

class BlobSource {
 public:
  virtual ~BlobSource() = default;
  // Puts it among the files of here. NotFound: no scheduler has it.
  virtual absl::Status Fetch(std::string_view sha256) = 0;
  // Returns OK when another scheduler has them all, too, if there is another one.
  virtual absl::Status MakeSafe(const std::vector<std::string>& sha256s, absl::Time until) = 0;
};

// Of a single scheduler.
class NoBlobSource final : public BlobSource {
 public:
  absl::Status Fetch(std::string_view) override {
    return absl::NotFoundError("there is no other scheduler");
  }
  absl::Status MakeSafe(const std::vector<std::string>&, absl::Time) override {
    return absl::OkStatus();
  }
};

// Those that the operations of a serialised envelope name; none if it is no action.
std::vector<std::string> BlobsOf(std::string_view envelope);

}  // namespace dragnet::scheduler
