#include "console/check/sarif.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/check/result.h"
#include "core/strings.h"
#include "core/version.h"

namespace dragnet::console {
namespace {

using Json = nlohmann::ordered_json;

// As code scanning orders them: the bounds of CVSS's words.
std::string_view ScoreOf(std::string_view severity) {
  constexpr std::string_view kScores[] = {"3.0", "5.5", "8.0", "9.5"};
  return kScores[SeverityRank(severity)];
}

// RFC 3986: what isn't unreserved or a slash is escaped.
std::string UriPath(std::string_view path) {
  std::string uri;
  for (const char c : path) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        std::string_view("-._~/").find(c) != std::string_view::npos) {
      uri.push_back(c);
    } else {
      absl::StrAppendFormat(&uri, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return path.starts_with('/') ? StrCat("file://", uri) : uri;
}

}  // namespace

std::string_view SarifLevel(std::string_view severity) {
  switch (SeverityRank(severity)) {
    case 0:
      return "note";
    case 1:
      return "warning";
    default:
      return "error";
  }
}

Json SarifLocation(std::string_view path, uint64_t line) {
  Json place = {{"artifactLocation", {{"uri", UriPath(path)}}}};
  // The standard's lines go to 2^31 - 1.
  if (line > 0 && line < (uint64_t{1} << 31)) place["region"] = {{"startLine", line}};
  return {{"physicalLocation", std::move(place)}};
}

// Message strings have a syntax: {0} is a placeholder, and braces that are none are
// doubled (section 3.11.5); [text](target) is a link (3.11.6). Hosts make no links here: a
// backslash of theirs could undo one that escapes, a space can't be undone.
std::string SarifMessage(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text), {{"{", "{{"}, {"}", "}}"}, {"](", "] ("}});
}

Json SarifRule(const check::v1::Check& check) {
  std::string help = check.remediation().empty() ? check.title() : check.remediation();
  if (!check.references().empty()) {
    StrAppend(&help, "\n\nSee: ", absl::StrJoin(check.references(), ", "));
  }
  Json rule = {{"id", check.id()},
               {"shortDescription", {{"text", check.title()}}},
               {"help", {{"text", help}}}};
  for (const std::string& reference : check.references()) {
    if (!reference.starts_with("https://")) continue;
    rule["helpUri"] = reference;
    break;
  }
  rule["defaultConfiguration"] = {{"level", std::string(SarifLevel(check.severity()))}};
  rule["properties"] = {{"security-severity", std::string(ScoreOf(check.severity()))},
                        {"tags", {"security", check.severity()}},
                        {"references", std::vector<std::string>(check.references().begin(),
                                                                check.references().end())}};
  return rule;
}

Json SarifTool(Json rules) {
  return {{"driver",
           {{"name", "dragnet"}, {"version", std::string(kVersion)}, {"rules", std::move(rules)}}}};
}

std::string SarifDocument(Json runs) {
  const Json document = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                         {"version", "2.1.0"},
                         {"runs", std::move(runs)}};
  return StrCat(document.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace), "\n");
}

}  // namespace dragnet::console
