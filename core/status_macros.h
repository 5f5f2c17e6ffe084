// Early return on errors, for functions that return absl::Status or StatusOr.
//
//   DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(path, bytes, 0600));
//   DRAGNET_ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxSize));
//
// Annotate() puts what was being done in front of an error's message and keeps
// its code and its payloads: Annotate(status, "trust policy fleet/policy.dsse").
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "core/strings.h"

namespace dragnet {

inline absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    annotated.SetPayload(type, payload);
  });
  return annotated;
}

}  // namespace dragnet

#define DRAGNET_CONCAT_INNER(a, b) a##b
#define DRAGNET_CONCAT(a, b) DRAGNET_CONCAT_INNER(a, b)

#define DRAGNET_RETURN_IF_ERROR(expression)                                                      \
  do {                                                                                           \
    if (absl::Status dragnet_status = (expression); !dragnet_status.ok()) return dragnet_status; \
  } while (false)

#define DRAGNET_ASSIGN_OR_RETURN(declaration, expression) \
  DRAGNET_ASSIGN_OR_RETURN_INNER(DRAGNET_CONCAT(dragnet_result_, __LINE__), declaration, expression)
#define DRAGNET_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                           \
  if (!result.ok()) return result.status();                             \
  declaration = *std::move(result)
