// SARIF 2.1.0 (OASIS standard), as code scanning services take it: a run for each
// pack, a rule for each check, a result for each that didn't pass.
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/check/evidence.h"
#include "console/check/report.h"
#include "core/strings.h"
#include "core/version.h"

namespace dragnet::console {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kRowBytes = 1024;

std::string_view LevelOf(std::string_view severity) {
  switch (SeverityRank(severity)) {
    case 0:
      return "note";
    case 1:
      return "warning";
    default:
      return "error";
  }
}

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

Json Location(std::string_view path, uint64_t line) {
  Json place = {{"artifactLocation", {{"uri", UriPath(path)}}}};
  // The standard's lines go to 2^31 - 1.
  if (line > 0 && line < (uint64_t{1} << 31)) place["region"] = {{"startLine", line}};
  return {{"physicalLocation", std::move(place)}};
}

// Message strings have a syntax: {0} is a placeholder, and braces that are none are
// doubled (section 3.11.5); [text](target) is a link (3.11.6). Hosts make no links here: a
// backslash of theirs could undo one that escapes, a space can't be undone.
std::string MessageString(std::string_view text) {
  return absl::StrReplaceAll(ToAbsl(text), {{"{", "{{"}, {"}", "}}"}, {"](", "] ("}});
}

Json RuleOf(const check::v1::Check& check) {
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
  rule["defaultConfiguration"] = {{"level", std::string(LevelOf(check.severity()))}};
  rule["properties"] = {{"security-severity", std::string(ScoreOf(check.severity()))},
                        {"tags", {"security", check.severity()}},
                        {"references", std::vector<std::string>(check.references().begin(),
                                                                check.references().end())}};
  return rule;
}

class SarifReport : public CheckReport {
 public:
  SarifReport(const ReportOptions& options, Sink* out) : options_(options), out_(out) {}

  void Begin(int) override {}

  void BeginPack(const Pack& pack) override {
    Json rules = Json::array();
    for (const auto& check : pack.parameters.checks()) rules.push_back(RuleOf(check));
    runs_.push_back({{"tool",
                      {{"driver",
                        {{"name", "dragnet"},
                         {"version", std::string(kVersion)},
                         {"rules", std::move(rules)}}}}},
                     {"automationDetails", {{"id", StrCat(pack.parameters.pack(), "/")}}},
                     {"invocations", Json::array()},
                     {"results", Json::array()}});
  }

  void Add(const CheckResult& result) override {
    if (result.status == CheckStatus::kPass || result.status == CheckStatus::kNotApplicable) {
      return;
    }
    const auto& check = result.check();
    const bool failed = result.status == CheckStatus::kFail;
    Json entry = {{"ruleId", check.id()},
                  {"ruleIndex", result.index},
                  {"kind", failed ? "fail" : "open"},
                  {"level", failed ? std::string(LevelOf(check.severity())) : "none"},
                  {"message", {{"text", MessageString(Message(result))}}},
                  {"locations", Locations(result)}};
    if (result.accepted.has_value()) {
      entry["suppressions"] = {{{"kind", "external"},
                                {"status", "accepted"},
                                {"justification", AcceptanceText(*result.accepted)}}};
    }
    runs_.back()["results"].push_back(std::move(entry));
  }

  void EndPack() override {}

  void Finish(const Tally&, absl::Duration elapsed, int exit_status) override {
    const auto utc = [](absl::Time time) {
      return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
    };
    for (Json& run : runs_) {
      run["invocations"].push_back({{"executionSuccessful", exit_status <= 1},
                                    {"exitCode", exit_status},
                                    {"startTimeUtc", utc(options_.started)},
                                    {"endTimeUtc", utc(options_.started + elapsed)}});
    }
    const Json document = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                           {"version", "2.1.0"},
                           {"runs", runs_}};
    // ensure_ascii: whatever a terminal could obey is \u-escaped.
    out_->Write(
        StrCat(document.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace), "\n"));
  }

 private:
  static std::string Message(const CheckResult& result) {
    std::string text = StrCat(
        result.check().title(), ": ",
        result.verdict.reason().empty() ? StatusWord(result.status) : result.verdict.reason());
    for (const std::string& row : result.verdict.evidence())
      StrAppend(&text, "\n- ", EvidenceLine(row, kRowBytes));
    if (result.verdict.evidence_left_out() > 0) {
      StrAppend(&text, "\n- and ", result.verdict.evidence_left_out(), " more");
    }
    return text;
  }

  // Where the evidence is, else where the check was written: services pass over results
  // that are nowhere.
  static Json Locations(const CheckResult& result) {
    Json locations = Json::array();
    for (const std::string& row : result.verdict.evidence()) {
      const std::optional<EvidencePlace> place = PlaceOf(row);
      if (place.has_value()) locations.push_back(Location(place->path, place->line));
    }
    if (!locations.empty()) return locations;
    const Place& written = result.pack->places[static_cast<size_t>(result.index)];
    locations.push_back(Location(written.file == nullptr ? result.pack->file : *written.file,
                                 static_cast<uint64_t>(written.line)));
    return locations;
  }

  const ReportOptions options_;
  Sink* const out_;
  Json runs_ = Json::array();
};

}  // namespace

std::unique_ptr<CheckReport> NewSarifReport(const ReportOptions& options, Sink* out) {
  return std::make_unique<SarifReport>(options, out);
}

}  // namespace dragnet::console
