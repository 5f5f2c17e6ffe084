// The JSON form of actions. nlohmann's parser takes the parameters out of the
// document, because protobuf's own knows them only as bytes.
#include "absl/strings/escaping.h"
#include "console/investigation/action_builder.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "nlohmann/json.hpp"

namespace dragnet::console {
namespace {

using nlohmann::json;

// nlohmann's parser goes by the first of two equal keys or by the last; a
// signer who reads the one and signs the other is what must not happen.
absl::StatusOr<json> ParseJson(std::string_view text) {
  std::vector<std::set<std::string>> seen;
  std::string twice;
  const json::parser_callback_t watch = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) seen.emplace_back();
    if (event == json::parse_event_t::object_end && !seen.empty()) seen.pop_back();
    if (event == json::parse_event_t::key && !seen.empty() &&
        !seen.back().insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return true;
  };
  try {
    json document = json::parse(text, watch);
    if (!twice.empty())
      return absl::InvalidArgumentError(StrCat("key \"", twice, "\" comes twice"));
    return document;
  } catch (const json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 3, column 7: …"
    std::string_view words = error.what();
    if (const size_t end = words.find("] "); end != std::string_view::npos) {
      words.remove_prefix(end + 2);
    }
    return absl::InvalidArgumentError(std::string(words));
  }
}

// Takes `parameters` out of one operation, into the proto's form of one.
absl::StatusOr<v1::Operation> TakeParameters(json& operation, const ModuleCatalog& modules,
                                             BlobContents* blobs) {
  v1::Operation taken;
  const auto name = operation.find("module");
  if (name == operation.end() || !name->is_string()) {
    return absl::InvalidArgumentError("module: missing, or not a text");
  }
  DRAGNET_ASSIGN_OR_RETURN(const Module* module, modules.Require(name->get<std::string>()));
  const auto found = operation.find("parameters");
  if (found == operation.end()) return taken;
  if (!found->is_object()) {
    return absl::InvalidArgumentError(
        StrCat("parameters: must be a JSON object of ", module->manifest().name,
               "'s parameters (see dragnet help ", module->manifest().name, ")"));
  }
  const std::string text = found->dump(-1, ' ', false, json::error_handler_t::replace);
  operation.erase(found);
  const std::unique_ptr<google::protobuf::Message> parameters = module->NewParameters();
  DRAGNET_RETURN_IF_ERROR(Annotate(MessageFromJson(text, parameters.get()), "parameters"));
  DRAGNET_RETURN_IF_ERROR(SetParameters(parameters.get(), &taken, blobs));
  return taken;
}

}  // namespace

absl::StatusOr<v1::Action> ActionFromJson(std::string_view text, const ModuleCatalog& modules,
                                          BlobContents* blobs) {
  DRAGNET_ASSIGN_OR_RETURN(json document, ParseJson(text));
  if (!document.is_object()) return absl::InvalidArgumentError("not a JSON object");
  std::vector<v1::Operation> parameters;
  if (const auto operations = document.find("operations"); operations != document.end()) {
    if (!operations->is_array()) return absl::InvalidArgumentError("operations: not a list");
    for (json& operation : *operations) {
      if (!operation.is_object()) {
        return absl::InvalidArgumentError(
            StrCat("operations[", parameters.size(), "]: not a JSON object"));
      }
      absl::StatusOr<v1::Operation> taken = TakeParameters(operation, modules, blobs);
      if (!taken.ok()) {
        return Annotate(taken.status(), StrCat("operations[", parameters.size(), "]"));
      }
      parameters.push_back(*std::move(taken));
    }
  }
  v1::Action action;
  DRAGNET_RETURN_IF_ERROR(
      MessageFromJson(document.dump(-1, ' ', false, json::error_handler_t::replace), &action));
  for (int i = 0; i < action.operations_size(); ++i) {
    action.mutable_operations(i)->set_parameters(parameters[i].parameters());
    action.mutable_operations(i)->mutable_blobs()->MergeFrom(parameters[i].blobs());
  }
  return action;
}

std::string ActionToJson(const v1::Action& action, const ModuleCatalog& modules) {
  json document = json::parse(MessageToJson(action), nullptr, /*allow_exceptions=*/false);
  for (int i = 0; i < action.operations_size(); ++i) {
    const Module* module = modules.Find(action.operations(i).module());
    if (module == nullptr) continue;
    const std::unique_ptr<google::protobuf::Message> parameters = module->NewParameters();
    if (!ParseStrict(action.operations(i).parameters(), kMaxParameterBytes, parameters.get())
             .ok()) {
      continue;
    }
    document["operations"][i]["parameters"] =
        json::parse(MessageToJson(*parameters), nullptr, /*allow_exceptions=*/false);
  }
  // ensure_ascii: whatever a terminal could obey is \u-escaped.
  return document.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
}

}  // namespace dragnet::console
