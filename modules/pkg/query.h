// The parameters, checked and compiled. Immutable and thread-safe once made.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/module.h"
#include "modules/pkg/pkg.pb.h"
#include "modules/pkg/vulnerable.h"
#include "re2/re2.h"

namespace dragnet::pkg {

class Query {
 public:
  // InvalidArgument names the field and what is wrong with it.
  static absl::StatusOr<Query> Compile(const v1::PkgParameters& parameters);

  // False when no package of this name can match: what else it is isn't known yet.
  bool MayMatchName(std::string_view name) const;
  // All but files. A version that can't be compared by the package's rules is
  // noted.
  bool Matches(const v1::PkgRow& row, RunContext& context) const;

  bool Uses(std::string_view manager_or_ecosystem) const;
  bool uses_ecosystems() const;

  const std::vector<std::string>& roots() const { return roots_; }
  const std::vector<std::string>& search_paths() const { return search_paths_; }
  const std::vector<std::string>& owns() const { return owns_; }
  // Empty without such a list.
  const VulnerableList& vulnerable() const { return vulnerable_; }
  bool verify() const { return parameters_.verify(); }
  bool verify_config() const { return parameters_.verify_config(); }
  bool all_states() const { return parameters_.all_states(); }
  uint32_t match_limit() const { return parameters_.match_limit(); }

 private:
  struct Pattern {
    std::unique_ptr<const RE2> regex;
    bool inverted = false;
    bool Holds(std::string_view text) const;
  };
  struct VersionTest {
    // Empty for every package.
    std::string name;
    Comparison op = Comparison::kEqual;
    std::string version;
    bool Holds(const v1::PkgRow& row, RunContext& context) const;
  };

  static absl::Status CompilePatterns(std::string_view field,
                                      const google::protobuf::RepeatedPtrField<std::string>& texts,
                                      std::vector<Pattern>* patterns);
  static absl::StatusOr<VersionTest> ParseTest(std::string_view text);

  absl::Status CompileTests();
  absl::Status CheckPlaces();
  absl::Status CompileVulnerable();

  v1::PkgParameters parameters_;
  std::vector<Pattern> names_;
  std::vector<Pattern> versions_;
  std::vector<Pattern> archs_;
  std::vector<VersionTest> version_is_;
  std::vector<VersionTest> compares_;
  std::vector<std::string> roots_;
  std::vector<std::string> search_paths_;
  std::vector<std::string> owns_;
  VulnerableList vulnerable_;
};

// An absolute path without empty parts, "." and a slash at its end. Errors
// don't name the field.
absl::StatusOr<std::string> CleanPath(std::string_view path);

}  // namespace dragnet::pkg
