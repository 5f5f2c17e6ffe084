#include "console/cli/mig_action.h"

#include <zlib.h>

#include <cmath>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "console/cli/mig_target.h"
#include "console/investigation/action_builder.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strict_json.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/mig.h"

namespace dragnet::console {
namespace {

constexpr size_t kMaxParameterJson = 4 << 20;

absl::Status Invalid(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

std::string Shown(std::string_view text) { return ForTerminal(Shorten(text, 100)); }

absl::StatusOr<std::string> Text(const MigJson& value, std::string_view where) {
  if (value.is_null()) return std::string();
  if (!value.is_string()) return Invalid(StrCat(where, ": must be a text"));
  return value.get<std::string>();
}

// MIG writes the absence of a time as Go does, as the first moment of year 1.
absl::Status ReadTime(const MigJson& value, std::string_view where,
                      google::protobuf::Timestamp* (v1::Action::*field)(), v1::Action* action) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string text, Text(value, where));
  if (text.empty() || text.starts_with("0001-01-01T")) return absl::OkStatus();
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return Invalid(StrCat(where, " '", Shown(text), "': no time: write 2024-02-03T04:05:06Z"));
  }
  *(action->*field)() = ToTimestamp(time);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadDescription(const MigJson& json) {
  if (json.is_null()) return std::string();
  if (!json.is_object()) return Invalid("description: must be a JSON object");
  std::string author;
  std::string email;
  std::string url;
  std::string revision;
  for (const auto& [key, value] : json.items()) {
    const std::string where = StrCat("description.", Shown(key));
    if (key == "author") {
      DRAGNET_ASSIGN_OR_RETURN(author, Text(value, where));
    } else if (key == "email") {
      DRAGNET_ASSIGN_OR_RETURN(email, Text(value, where));
    } else if (key == "url") {
      DRAGNET_ASSIGN_OR_RETURN(url, Text(value, where));
    } else if (key == "revision") {
      if (value.is_null()) continue;
      if (!value.is_number()) return Invalid(StrCat(where, ": must be a number"));
      const double number = value.get<double>();
      revision = number == std::floor(number) && std::abs(number) < 1e15
                     ? StrCat(static_cast<int64_t>(number))
                     : StrCat(number);
    } else {
      return Invalid(StrCat(where, ": unknown: it has author, email, url, revision"));
    }
  }
  std::vector<std::string> parts;
  std::string who = author;
  if (!email.empty()) who = who.empty() ? email : StrCat(who, " <", email, ">");
  if (!who.empty()) parts.push_back(StrCat("By ", who));
  if (!revision.empty()) parts.push_back(StrCat("revision ", revision));
  if (!url.empty()) parts.push_back(url);
  return absl::StrJoin(parts, ", ");
}

absl::Status ReadThreat(const MigJson& json, v1::Threat* threat) {
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_object()) return Invalid("threat: must be a JSON object");
  for (const auto& [key, value] : json.items()) {
    const std::string where = StrCat("threat.", Shown(key));
    DRAGNET_ASSIGN_OR_RETURN(std::string text, Text(value, where));
    if (key == "level") {
      threat->set_level(std::move(text));
    } else if (key == "family") {
      threat->set_family(std::move(text));
    } else if (key == "type") {
      threat->set_type(std::move(text));
    } else if (key == "ref") {
      threat->set_reference(std::move(text));
    } else {
      return Invalid(StrCat(where, ": unknown: it has ref, level, family, type"));
    }
  }
  return absl::OkStatus();
}

// What MIG's API stores of large parameters: JSON, gzip, base64.
absl::StatusOr<MigJson> Decompress(const MigJson& value) {
  if (!value.is_string()) return Invalid("is_compressed, but no text");
  std::string packed;
  if (!absl::Base64Unescape(value.get<std::string>(), &packed))
    return Invalid("is_compressed, but not in base64");
  z_stream stream = {};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return absl::InternalError("zlib");
  const absl::Cleanup end = [&] { inflateEnd(&stream); };
  std::string text(kMaxParameterJson + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int result = inflate(&stream, Z_FINISH);
  if (stream.total_out > kMaxParameterJson)
    return Invalid(StrCat("more than ", kMaxParameterJson, " bytes when decompressed"));
  if (result != Z_STREAM_END) return Invalid("is_compressed, but not whole in gzip's format");
  text.resize(stream.total_out);
  return ParseStrictJson(text);
}

absl::Status NoSuchModule(const std::string& name, const ModuleCatalog& modules) {
  if (name == "connected") {
    return Invalid(
        "module connected: MIG's old name for a part of netstat: write {\"module\": "
        "\"netstat\", \"parameters\": {\"connectedip\": [\"ADDRESS\"]}}");
  }
  if (name == "filechecker") {
    return Invalid(
        "module filechecker: MIG's old name of file, with other parameters: write "
        "{\"module\": \"file\", \"parameters\": {\"searches\": {LABEL: {…}}}}");
  }
  if (name == "agentdestroy" || name == "upgrade") {
    return Invalid(StrCat("module ", name,
                          ": acts on MIG's own agents; Dragnet's modules only look: remove this "
                          "operation"));
  }
  std::vector<std::string> names;
  for (const MigModule* module : modules.mig_modules) names.emplace_back(module->name());
  return Invalid(StrCat("module ", Shown(name), ": has no counterpart in this version; it has: ",
                        absl::StrJoin(names, ", ")));
}

absl::Status ReadOperation(const MigJson& json, const ModuleCatalog& modules,
                           v1::Operation* operation, BlobContents* blobs) {
  if (!json.is_object()) return Invalid("must be a JSON object");
  std::string name;
  const MigJson* parameters = nullptr;
  bool compressed = false;
  for (const auto& [key, value] : json.items()) {
    if (key == "module") {
      DRAGNET_ASSIGN_OR_RETURN(name, Text(value, key));
    } else if (key == "parameters") {
      parameters = &value;
    } else if (key == "is_compressed" || key == "want_compressed" || key == "iscompressed" ||
               key == "wantcompressed") {
      // What is wanted concerns MIG's wire, not what is asked.
      if (!value.is_boolean()) return Invalid(StrCat(key, ": must be true or false"));
      if (key.starts_with("is")) compressed = value.get<bool>();
    } else {
      return Invalid(StrCat(Shown(key),
                            ": unknown: an operation has module, parameters, "
                            "is_compressed, want_compressed"));
    }
  }
  if (name.empty()) return Invalid("module: missing");
  const MigModule* module = modules.FindMig(name);
  if (module == nullptr) return NoSuchModule(name, modules);
  MigJson unpacked;
  if (compressed && parameters != nullptr) {
    absl::StatusOr<MigJson> result = Decompress(*parameters);
    if (!result.ok()) return Annotate(result.status(), "parameters");
    unpacked = *std::move(result);
    parameters = &unpacked;
  }
  if (parameters == nullptr || parameters->is_null()) {
    unpacked = MigJson::object();
    parameters = &unpacked;
  }
  const auto translated = module->TranslateParameters(*parameters);
  if (!translated.ok()) return Annotate(translated.status(), StrCat("module ", name));
  operation->set_module(std::string(module->module().manifest().name));
  return SetParameters(translated->get(), operation, blobs);
}

// Keys that MIG's API writes about an action that ran.
bool IsRecordOfARun(std::string_view key) {
  for (const std::string_view known : {"id", "status", "starttime", "finishtime", "lastupdatetime",
                                       "counters", "investigators", "pgpsignatures"}) {
    if (key == known) return true;
  }
  return false;
}

bool IsEmpty(const MigJson& value) {
  if (value.is_number()) return value.get<double>() == 0;
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    return text.empty() || text.starts_with("0001-01-01T");
  }
  return value.empty();
}

}  // namespace

absl::StatusOr<MigAction> ActionFromMig(std::string_view json, const ModuleCatalog& modules,
                                        bool with_target, BlobContents* blobs) {
  DRAGNET_ASSIGN_OR_RETURN(const MigJson document, ParseStrictJson(json));
  if (!document.is_object()) return Invalid("not a JSON object");
  if (document.contains("objects") && document.contains("tests")) {
    return Invalid(
        "a scribe document, which is no action: put it into one, as {\"name\": …, "
        "\"target\": …, \"syntaxversion\": 2, \"operations\": [{\"module\": \"scribe\", "
        "\"parameters\": {\"scribedoc\": DOCUMENT}}]}");
  }
  MigAction result;
  std::vector<std::string> ignored;
  bool version_given = false;
  for (const auto& [key, value] : document.items()) {
    if (key == "name") {
      DRAGNET_ASSIGN_OR_RETURN(std::string name, Text(value, key));
      result.action.set_name(std::move(name));
    } else if (key == "target") {
      DRAGNET_ASSIGN_OR_RETURN(const std::string condition, Text(value, key));
      if (!with_target || condition.empty()) continue;
      absl::StatusOr<std::string> target = TargetFromMig(condition, &result.notes);
      if (!target.ok()) return Annotate(target.status(), "target");
      result.action.set_target(*std::move(target));
    } else if (key == "description") {
      DRAGNET_ASSIGN_OR_RETURN(std::string description, ReadDescription(value));
      result.action.set_description(std::move(description));
    } else if (key == "threat") {
      DRAGNET_RETURN_IF_ERROR(ReadThreat(value, result.action.mutable_threat()));
    } else if (key == "validfrom") {
      DRAGNET_RETURN_IF_ERROR(
          ReadTime(value, key, &v1::Action::mutable_not_before, &result.action));
    } else if (key == "expireafter") {
      DRAGNET_RETURN_IF_ERROR(ReadTime(value, key, &v1::Action::mutable_expires, &result.action));
    } else if (key == "operations") {
      if (!value.is_array()) return Invalid("operations: must be a list");
      for (const MigJson& operation : value) {
        const int index = result.action.operations_size();
        const absl::Status status =
            ReadOperation(operation, modules, result.action.add_operations(), blobs);
        if (!status.ok()) return Annotate(status, StrCat("operations[", index, "]"));
      }
    } else if (key == "syntaxversion") {
      if (!value.is_number() || value.get<double>() != 2) {
        return Invalid("syntaxversion: only 2 is read: MIG's versions before it have another form");
      }
      version_given = true;
    } else if (IsRecordOfARun(key)) {
      if (!IsEmpty(value)) ignored.push_back(key);
    } else {
      return Invalid(StrCat(Shown(key),
                            ": unknown: an action has name, target, description, threat, "
                            "validfrom, expireafter, operations, syntaxversion"));
    }
  }
  if (!version_given) return Invalid("syntaxversion: missing: MIG's actions say 2");
  if (!ignored.empty()) {
    result.notes.push_back(StrCat("not taken over, as they are of MIG's run and MIG's signers: ",
                                  absl::StrJoin(ignored, ", ")));
  }
  return result;
}

}  // namespace dragnet::console
