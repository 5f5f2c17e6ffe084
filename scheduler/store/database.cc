#include "scheduler/store/database.h"

#include "absl/strings/cord.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

// Of statuses that are an engine's own.
constexpr char kPayload[] = "dragnet/database";
constexpr char kLost[] = "lost";
constexpr char kBlocked[] = "blocked";

std::string_view NameOf(Database::Failure failure) {
  switch (failure) {
    case Database::Failure::kOfStatement:
      return "error";
    case Database::Failure::kLost:
      return kLost;
    case Database::Failure::kBlocked:
      return kBlocked;
  }
  return "error";
}

}  // namespace

absl::Status Database::Error(absl::StatusCode code, std::string_view message, Failure failure) {
  absl::Status status(code, ToAbsl(message));
  status.SetPayload(kPayload, absl::Cord(ToAbsl(NameOf(failure))));
  return status;
}

bool Database::IsError(const absl::Status& status) {
  return status.GetPayload(kPayload).has_value();
}

bool Database::IsLost(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  return payload.has_value() && (*payload == kLost || *payload == kBlocked);
}

bool Database::IsBlocked(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  return payload.has_value() && *payload == kBlocked;
}

}  // namespace dragnet::scheduler
