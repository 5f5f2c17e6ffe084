#include "console/investigation/action_builder.h"

#include "absl/strings/str_join.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/target.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet::console {
namespace {

std::string DefaultName(const v1::Action& action) {
  std::vector<std::string> modules;
  for (const v1::Operation& operation : action.operations()) modules.push_back(operation.module());
  return Shorten(absl::StrJoin(modules, ", "), kMaxActionName);
}

absl::Status CheckOperation(const v1::Operation& operation, const ModuleCatalog& modules,
                            const BlobContents& blobs) {
  DRAGNET_ASSIGN_OR_RETURN(const Module* module, modules.Require(operation.module()));
  const std::unique_ptr<google::protobuf::Message> parameters = module->NewParameters();
  DRAGNET_RETURN_IF_ERROR(
      ParseStrict(operation.parameters(), kMaxParameterBytes, parameters.get()));
  for (const v1::Blob& blob : operation.blobs()) {
    const auto content = blobs.find(blob.sha256());
    if (content == blobs.end()) {
      return absl::InvalidArgumentError(
          StrCat("blob for ", blob.field(), ": write the value itself into the parameters"));
    }
    DRAGNET_RETURN_IF_ERROR(InsertBlob(blob.field(), content->second, parameters.get()));
  }
  return module->Validate(*parameters);
}

}  // namespace

absl::Status CompleteAction(std::string_view fleet_id, absl::Time now,
                            std::optional<absl::Duration> lifetime, const ModuleCatalog& modules,
                            const BlobContents& blobs, v1::Action* action) {
  if (action->operations().empty()) {
    return absl::InvalidArgumentError("action operations: missing: one is needed");
  }
  if (action->id().empty()) action->set_id(NewUuidV7(now));
  if (action->fleet_id().empty()) action->set_fleet_id(std::string(fleet_id));
  if (action->fleet_id() != fleet_id) {
    return absl::FailedPreconditionError(StrCat("action fleet_id: is for fleet \"",
                                                action->fleet_id(), "\", this console's is \"",
                                                fleet_id, "\""));
  }
  if (!action->has_not_before()) *action->mutable_not_before() = ToTimestamp(now - kClockSkew);
  if (lifetime.has_value() || !action->has_expires()) {
    *action->mutable_expires() = ToTimestamp(now + lifetime.value_or(kDefaultLifetime));
  }
  if (action->name().empty()) action->set_name(DefaultName(*action));
  DRAGNET_RETURN_IF_ERROR(ValidateTarget(action->target()));
  for (int i = 0; i < action->operations_size(); ++i) {
    DRAGNET_RETURN_IF_ERROR(Annotate(CheckOperation(action->operations(i), modules, blobs),
                                     StrCat("operations[", i, "]")));
  }
  DRAGNET_RETURN_IF_ERROR(ValidateAction(*action));
  const absl::StatusOr<absl::Time> expires = ToTime(action->expires());
  if (expires.ok() && *expires <= now) {
    return absl::InvalidArgumentError(
        StrCat("action expires: ", absl::FormatTime(*expires), " is in the past"));
  }
  return absl::OkStatus();
}

absl::Status SetParameters(google::protobuf::Message* parameters, v1::Operation* operation,
                           BlobContents* blobs) {
  DRAGNET_RETURN_IF_ERROR(ExtractBlobs(parameters, operation, blobs));
  operation->set_parameters(parameters->SerializeAsString());
  return absl::OkStatus();
}

std::string ShellLine(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line.push_back(' ');
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789_-./:=,@%+") == std::string::npos;
    if (plain) {
      line.append(word);
      continue;
    }
    line.push_back('\'');
    for (const char c : word) {
      if (c == '\'') {
        line.append("'\\''");
      } else {
        line.push_back(c);
      }
    }
    line.push_back('\'');
  }
  return line;
}

}  // namespace dragnet::console
