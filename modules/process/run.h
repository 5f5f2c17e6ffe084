// All processes against the filters; rows.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/module.h"
#include "modules/process/process.pb.h"
#include "re2/re2.h"

namespace dragnet::process {

// Values of one filter. Immutable and thread-safe once made.
class TextFilter {
 public:
  // InvalidArgument names `field`. Takes what it uses from `*left` expressions.
  static absl::StatusOr<TextFilter> Compile(std::string_view field,
                                            const google::protobuf::RepeatedPtrField<std::string>&,
                                            int* left);
  // Whether it holds for one of `texts`, of a thing that has several names.
  bool Holds(std::initializer_list<std::string_view> texts) const;
  bool empty() const { return any_of_.empty() && none_of_.empty(); }

 private:
  std::vector<std::shared_ptr<const RE2>> any_of_;
  std::vector<std::shared_ptr<const RE2>> none_of_;
};

struct Search {
  TextFilter names, exes, command_lines, units;
  std::set<std::string> users, not_users;
  std::set<uint32_t> pids;
  bool deleted_exe = false;
  bool no_kernel = false;
  bool no_command_lines = false;
};

absl::StatusOr<Search> CompileSearch(const v1::ProcessParameters& parameters);

// As Module::Run. Thread-safe.
absl::Status RunSearch(const Search& search, RunContext& context);

}  // namespace dragnet::process
