// MIG's module pkg: {"pkgmatch": {"matches": [REGEX, …]}}.
#include "modules/mig.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/pkg/pkg.pb.h"
#include "re2/re2.h"

namespace dragnet {

const Module& PkgModule();

namespace pkg {
namespace {

absl::Status Invalid(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("MIG's pkg: ", what));
}

// MIG asks whether any of the regexes matches; ours must all hold. One
// alternative of all is the same, and RE2 is what Go's regexes are.
absl::StatusOr<std::string> AnyOf(const std::vector<std::string>& matches) {
  std::string any;
  for (const std::string& match : matches) {
    if (const RE2 regex(match, RE2::Quiet); !regex.ok())
      return Invalid(StrCat("pkgmatch.matches '", match, "': ", regex.error()));
    StrAppend(&any, any.empty() ? "" : "|", "(?:", match, ")");
  }
  return any;
}

absl::StatusOr<std::vector<std::string>> GetMatches(const MigJson& parameters) {
  if (!parameters.is_object()) return Invalid("parameters are an object");
  for (const auto& [key, value] : parameters.items()) {
    if (key != "pkgmatch") return Invalid(StrCat("there is no key '", key, "'; known is pkgmatch"));
    if (!value.is_object()) return Invalid("pkgmatch is an object");
    for (const auto& [inner, unused] : value.items()) {
      if (inner != "matches")
        return Invalid(StrCat("there is no key 'pkgmatch.", inner, "'; known is matches"));
    }
  }
  std::vector<std::string> matches;
  const auto pkgmatch = parameters.find("pkgmatch");
  if (pkgmatch != parameters.end() && pkgmatch->contains("matches")) {
    const MigJson& list = (*pkgmatch)["matches"];
    if (!list.is_array()) return Invalid("pkgmatch.matches is a list of regular expressions");
    for (const MigJson& match : list) {
      if (!match.is_string()) return Invalid("pkgmatch.matches is a list of regular expressions");
      matches.push_back(match.get<std::string>());
    }
  }
  if (matches.empty()) return Invalid("pkgmatch.matches needs one regular expression at least");
  return matches;
}

class PkgElements : public MigElements {
 public:
  explicit PkgElements(const MigJson& parameters) {
    const auto matches = GetMatches(parameters);
    if (!matches.ok()) return;
    for (const std::string& match : *matches)
      by_match_.emplace_back(std::make_unique<const RE2>(match, RE2::Quiet), MigJson::array());
  }

  void Add(const google::protobuf::Message& message) override {
    const auto* row = dynamic_cast<const v1::PkgRow*>(&message);
    if (row == nullptr) return;
    // MIG lists a package once for each of its regexes that matches.
    for (auto& [regex, packages] : by_match_) {
      if (!RE2::PartialMatch(row->name(), *regex)) continue;
      packages.push_back({{"name", row->name()},
                          {"version", row->version()},
                          {"type", row->type()},
                          {"arch", row->arch()}});
    }
  }

  MigJson Elements() override {
    MigJson all = MigJson::array();
    for (auto& [regex, packages] : by_match_)
      for (MigJson& package : packages) all.push_back(std::move(package));
    return {{"packages", std::move(all)}};
  }

  MigJson Statistics(const MigStatistics& statistics) override {
    return {{"execruntime", GoDuration(statistics.seconds)}};
  }

 private:
  std::vector<std::pair<std::unique_ptr<const RE2>, MigJson>> by_match_;
};

class PkgMigModule : public MigModule {
 public:
  std::string_view name() const override { return "pkg"; }
  const Module& module() const override { return PkgModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> matches, GetMatches(parameters));
    DRAGNET_ASSIGN_OR_RETURN(std::string any, AnyOf(matches));
    auto translated = std::make_unique<v1::PkgParameters>();
    translated->add_names(std::move(any));
    DRAGNET_RETURN_IF_ERROR(PkgModule().Validate(*translated));
    return translated;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson& parameters) const override {
    return std::make_unique<PkgElements>(parameters);
  }
};

}  // namespace
}  // namespace pkg

std::span<const MigModule* const> PkgMigModules() {
  static const pkg::PkgMigModule module;
  static const MigModule* const modules[] = {&module};
  return modules;
}

}  // namespace dragnet
