// The bounds of checks, the same for who writes a pack, who signs it, and who runs
// it. Thread-safe: no state.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "modules/check/check.pb.h"
#include "modules/module.h"
#include "modules/rows/row_filter.h"

namespace dragnet {

inline constexpr int kMaxChecks = 256;

// Null when there is no module of this name.
using ModuleFinder = std::function<const Module*(std::string_view name)>;

// Everything that check.proto states of one check: texts, references, severity, that
// its module is there and takes its parameters, that `applies_when` and `where`
// compile. InvalidArgument begins with the field within the check.
absl::Status ValidateCheck(const check::v1::Check& check, const ModuleFinder& find_module);

// Of these the parts that a worker, which has the module and its parameters already,
// asks one by one: id, title, severity, references, remediation;
absl::Status ValidateCheckTexts(const check::v1::Check& check);
// and the expectation, with its condition compiled; null when it has none.
absl::StatusOr<std::unique_ptr<RowFilter>> CompileExpectation(
    const check::v1::Expectation& expectation, const google::protobuf::Descriptor* row_type);

// The pack as a whole; errors begin with "checks[3] (ssh-root-login).".
absl::Status ValidateChecks(const check::v1::CheckParameters& parameters,
                            const ModuleFinder& find_module);

// The parameters of the check's operation, parsed strictly.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ParametersOf(
    const check::v1::Check& check, const Module& module);

}  // namespace dragnet
