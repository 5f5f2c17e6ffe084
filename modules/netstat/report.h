// Rows, and the searches' own limits. One per run. Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "modules/module.h"
#include "modules/netstat/fact.h"
#include "modules/netstat/namespaces.h"
#include "modules/netstat/processes.h"
#include "modules/netstat/search.h"
#include "modules/netstat/users.h"

namespace dragnet::netstat {

class Reporter {
 public:
  // All of them outlive this.
  Reporter(const std::vector<Search>& searches, const ProcessTable& processes,
           const UserNames& users, RunContext& context);

  // Emits a row for every search that `fact` is a finding of. False when the run
  // should end.
  bool Report(const NetworkNamespace& space, const Fact& fact);

 private:
  bool Emit(size_t search, const NetworkNamespace& space, const Fact& fact);

  const std::vector<Search>& searches_;
  const ProcessTable& processes_;
  const UserNames& users_;
  RunContext& context_;
  // By the index of a search.
  std::vector<uint64_t> found_;
};

}  // namespace dragnet::netstat
