// Verdicts of a sweep as SARIF 2.1.0, for code scanning: a result for each host and check
// that didn't pass. Not thread-safe.
#pragma once

#include <cstdint>

#include "console/output/sink.h"
#include "console/sweeps/sweep.h"
#include "dragnet/v1/investigator.pb.h"
#include "nlohmann/json.hpp"

namespace dragnet::console {

class SweepSarif {
 public:
  // What code scanning services take of one run; further ones are counted, and said in
  // a notification.
  static constexpr size_t kMostResults = 25'000;

  // Outlives this.
  explicit SweepSarif(const Sweep& sweep) : sweep_(sweep) {}

  // Verdicts on checks that aren't in the document are left out. A silent host is a
  // notification: it is no result of any check.
  void Add(const v1::SweepVerdict& verdict);
  // Once, after the last one.
  void Write(int exit_status, Sink* sink);

 private:
  void Notify(std::string_view host, std::string_view words);

  const Sweep& sweep_;
  nlohmann::ordered_json results_ = nlohmann::ordered_json::array();
  nlohmann::ordered_json notifications_ = nlohmann::ordered_json::array();
  uint64_t left_out_ = 0;
  std::string last_silent_;
};

}  // namespace dragnet::console
