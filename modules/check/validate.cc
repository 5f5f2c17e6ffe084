#include "modules/check/validate.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "core/action.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/target.h"
#include "modules/rows/row_filter.h"
#include "modules/weights.h"

namespace dragnet {
namespace {

using check::v1::Check;
using check::v1::CheckParameters;
using check::v1::Expectation;

constexpr size_t kMaxIdBytes = 64;
constexpr size_t kMaxLineBytes = 200;
constexpr size_t kMaxVersionBytes = 64;
constexpr size_t kMaxRemediationBytes = 2048;
constexpr int kMaxReferences = 16;
constexpr std::array<std::string_view, 4> kSeverities = {"low", "medium", "high", "critical"};

absl::Status Invalid(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat(field, ": ", problem));
}

absl::Status CheckId(std::string_view field, std::string_view id, std::string_view more) {
  const auto allowed = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  };
  if (id.empty() || id.size() > kMaxIdBytes || !std::all_of(id.begin(), id.end(), allowed)) {
    return Invalid(field, StrCat("1 to ", kMaxIdBytes, " characters of a-z, 0-9 and ", more));
  }
  return absl::OkStatus();
}

absl::Status CheckLine(std::string_view field, std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Invalid(field, StrCat(text.size(), " bytes, at most ", max_bytes));
  }
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), control)) {
    return Invalid(field, "one line, without control characters");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateCheckTexts(const Check& check) {
  DRAGNET_RETURN_IF_ERROR(CheckId("id", check.id(), "-."));
  if (check.title().empty()) return Invalid("title", "missing");
  DRAGNET_RETURN_IF_ERROR(CheckLine("title", check.title(), kMaxLineBytes));
  if (std::find(kSeverities.begin(), kSeverities.end(), check.severity()) == kSeverities.end()) {
    return Invalid("severity", "low, medium, high or critical");
  }
  if (check.references_size() > kMaxReferences) {
    return Invalid("references", StrCat("at most ", kMaxReferences));
  }
  for (const std::string& reference : check.references()) {
    DRAGNET_RETURN_IF_ERROR(CheckLine("references", reference, kMaxLineBytes));
  }
  if (check.remediation().size() > kMaxRemediationBytes) {
    return Invalid("remediation",
                   StrCat(check.remediation().size(), " bytes, at most ", kMaxRemediationBytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RowFilter>> CompileExpectation(
    const Expectation& expectation, const google::protobuf::Descriptor* row_type) {
  if (expectation.kind() == Expectation::KIND_UNSPECIFIED ||
      !Expectation::Kind_IsValid(expectation.kind())) {
    return Invalid("expectation.kind", "found, not found, a count, or all");
  }
  const bool counts = expectation.kind() == Expectation::KIND_COUNT;
  if (expectation.min() != 0 && !counts && expectation.kind() != Expectation::KIND_ALL) {
    return Invalid("expectation.min", "only with a count, and with all");
  }
  if (expectation.has_max() && !counts) return Invalid("expectation.max", "only with a count");
  if (counts && !expectation.has_max() && expectation.min() == 0) {
    return Invalid("expectation", "a count without min and max is always as expected");
  }
  if (expectation.has_max() && expectation.max() < expectation.min()) {
    return Invalid("expectation.max", "below min");
  }
  if (expectation.where().empty()) {
    if (expectation.kind() == Expectation::KIND_ALL) {
      return Invalid("expectation.where", "missing: what is to be so of all rows");
    }
    return nullptr;
  }
  absl::StatusOr<std::unique_ptr<RowFilter>> filter =
      RowFilter::Create(row_type, expectation.where());
  if (!filter.ok()) return Annotate(filter.status(), "expectation.where");
  return filter;
}

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ParametersOf(const Check& check,
                                                                        const Module& module) {
  std::unique_ptr<google::protobuf::Message> parameters = module.NewParameters();
  DRAGNET_RETURN_IF_ERROR(ParseStrict(check.parameters(), kMaxParameterBytes, parameters.get()));
  return parameters;
}

absl::Status ValidateCheck(const Check& check, const ModuleFinder& find_module) {
  DRAGNET_RETURN_IF_ERROR(ValidateCheckTexts(check));
  if (!check.applies_when().empty()) {
    DRAGNET_RETURN_IF_ERROR(Annotate(ValidateTarget(check.applies_when()), "applies_when"));
  }
  if (check.module() == kCheckModule) return Invalid("module", "a check can't hold checks");
  const Module* module = find_module(check.module());
  if (module == nullptr) {
    return Invalid("module", StrCat("this version has no module '", check.module(), "'"));
  }
  if (module->manifest().run_by_monitor) {
    return Invalid("module", StrCat(check.module(), " changes the agent: it is no check"));
  }
  const auto parameters = ParametersOf(check, *module);
  DRAGNET_RETURN_IF_ERROR(Annotate(parameters.status(), "parameters"));
  DRAGNET_RETURN_IF_ERROR(Annotate(module->Validate(**parameters), "parameters"));
  return CompileExpectation(check.expectation(), module->NewRow()->GetDescriptor()).status();
}

absl::Status ValidateChecks(const CheckParameters& parameters, const ModuleFinder& find_module) {
  DRAGNET_RETURN_IF_ERROR(CheckId("pack", parameters.pack(), "-"));
  DRAGNET_RETURN_IF_ERROR(CheckLine("title", parameters.title(), kMaxLineBytes));
  DRAGNET_RETURN_IF_ERROR(CheckLine("version", parameters.version(), kMaxVersionBytes));
  if (parameters.checks().empty()) return Invalid("checks", "none");
  if (parameters.checks_size() > kMaxChecks) {
    return Invalid("checks", StrCat(parameters.checks_size(), ", at most ", kMaxChecks));
  }
  std::set<std::string_view> ids;
  for (int i = 0; i < parameters.checks_size(); ++i) {
    const Check& check = parameters.checks(i);
    const std::string where = StrCat("checks[", i, "] (", check.id(), ")");
    if (!ids.insert(check.id()).second) return Invalid(where, "another one has this id");
    const absl::Status valid = ValidateCheck(check, find_module);
    if (!valid.ok()) return absl::Status(valid.code(), StrCat(where, ".", valid.message()));
  }
  return absl::OkStatus();
}

}  // namespace dragnet
