#include "console/check/baseline.h"

#include <fnmatch.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "console/packs/keys.h"
#include "console/packs/yaml_reader.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr KeySpec kEntryKeys[] = {
    {"check", true, ""},  {"reason", true, ""},    {"expires", true, ""},
    {"hosts", false, ""}, {"evidence", false, ""},
};
constexpr size_t kMaxReasonBytes = 500;
constexpr size_t kMaxPatternBytes = 1000;

}  // namespace

bool Baseline::Entry::IsAbout(const Pack& pack, std::string_view id) const {
  return check == id || check == StrCat(pack.parameters.pack(), "/", id);
}

bool Baseline::ParseExpiry(const YamlNode& node, const std::string& path, Entry* entry,
                           Problems* problems) {
  // Two digits each, so that a year isn't taken for a day.
  const bool shaped = node.text.size() == 10 && node.text[4] == '-' && node.text[7] == '-';
  if (!shaped || !absl::ParseCivilTime(node.text, &entry->expires)) {
    problems->Error(node.place, StrCat(path, ".expires"), "must be a day like 2027-03-31");
    return false;
  }
  entry->acceptance.expires = node.text;
  return true;
}

std::optional<Baseline::Entry> Baseline::ParseEntry(const YamlNode& node, const std::string& path,
                                                    Problems* problems) {
  const size_t errors = problems->errors();
  if (!CheckKeysOf(node, path, kEntryKeys, problems)) return std::nullopt;
  Entry entry;
  entry.place = node.place;
  entry.check = ScalarOf(node, "check", path, problems).text;
  const YamlNode reason = ScalarOf(node, "reason", path, problems);
  entry.acceptance.reason = reason.text;
  if (problems->errors() != errors) return std::nullopt;
  if (reason.text.find_first_not_of(" \t\n") == std::string::npos) {
    problems->Error(reason.place, StrCat(path, ".reason"), "is empty: say why it is accepted");
  } else if (reason.text.size() > kMaxReasonBytes) {
    problems->Error(reason.place, StrCat(path, ".reason"),
                    StrCat("more than ", kMaxReasonBytes, " bytes"));
  }
  ParseExpiry(ScalarOf(node, "expires", path, problems), path, &entry, problems);
  for (const YamlNode& host : TextsOf(node, "hosts", path, problems))
    entry.hosts.push_back(host.text);
  // As a list that nobody filled in it would mean every host.
  if (const YamlNode* hosts = node.Find("hosts"); hosts != nullptr && entry.hosts.empty()) {
    problems->Error(hosts->place, StrCat(path, ".hosts"),
                    "is empty: name hosts, or leave the key out for every host");
  }
  if (node.Find("evidence") != nullptr) {
    const YamlNode pattern = ScalarOf(node, "evidence", path, problems);
    entry.evidence = std::make_shared<const RE2>(
        pattern.text.size() > kMaxPatternBytes ? "(" : pattern.text, RE2::Quiet);
    if (!entry.evidence->ok()) {
      problems->Error(pattern.place, StrCat(path, ".evidence"),
                      StrCat("not a regular expression (RE2, at most ", kMaxPatternBytes,
                             " bytes): ", entry.evidence->error()));
    }
  }
  if (problems->errors() != errors) return std::nullopt;
  return entry;
}

std::optional<Baseline> Baseline::Parse(std::string_view text, std::string_view file,
                                        Problems* problems) {
  YamlNode root;
  if (!ReadYaml(text, file, &root, problems)) return std::nullopt;
  Baseline baseline;
  if (!root.is_list() && !root.is_null()) {
    problems->Error(root.place, "", "must be a list of {check, reason, expires}");
  }
  for (size_t i = 0; root.is_list() && i < root.items.size(); ++i) {
    std::optional<Entry> entry = ParseEntry(root.items[i], StrCat("[", i, "]"), problems);
    if (entry.has_value()) baseline.entries_.push_back(*std::move(entry));
  }
  if (!problems->ok()) return std::nullopt;
  return baseline;
}

std::optional<Acceptance> Baseline::Accepts(const CheckResult& result, std::string_view host,
                                            absl::CivilDay today) const {
  if (result.status != CheckStatus::kFail) return std::nullopt;
  const auto& evidence = result.verdict.evidence();
  for (const Entry& entry : entries_) {
    if (entry.expires < today || !entry.IsAbout(*result.pack, result.check().id())) continue;
    const bool here =
        entry.hosts.empty() ||
        (!host.empty() &&
         std::any_of(entry.hosts.begin(), entry.hosts.end(), [&](const std::string& pattern) {
           return ::fnmatch(pattern.c_str(), std::string(host).c_str(), 0) == 0;
         }));
    // What isn't seen isn't what was accepted.
    const bool same = entry.evidence == nullptr ||
                      (!evidence.empty() && result.verdict.evidence_left_out() == 0 &&
                       std::all_of(evidence.begin(), evidence.end(), [&](const std::string& row) {
                         return RE2::PartialMatch(row, *entry.evidence);
                       }));
    if (here && same) return entry.acceptance;
  }
  return std::nullopt;
}

std::vector<std::string> Baseline::Remarks(const std::vector<Pack>& packs, std::string_view host,
                                           absl::CivilDay today) const {
  std::vector<std::string> remarks;
  for (const Entry& entry : entries_) {
    const bool known = std::any_of(packs.begin(), packs.end(), [&](const Pack& pack) {
      const auto& checks = pack.parameters.checks();
      return std::any_of(checks.begin(), checks.end(),
                         [&](const auto& check) { return entry.IsAbout(pack, check.id()); });
    });
    if (!known) {
      remarks.push_back(ForTerminal(
          StrCat(entry.place.ToString(), ": no pack has a check ", Shorten(entry.check, 200))));
    } else if (entry.expires < today) {
      remarks.push_back(
          ForTerminal(StrCat(entry.place.ToString(), ": ", entry.check, " was accepted until ",
                             entry.acceptance.expires, ", and no longer is")));
    } else if (host.empty() && !entry.hosts.empty()) {
      remarks.push_back(
          ForTerminal(StrCat(entry.place.ToString(), ": ", entry.check,
                             " is accepted on certain hosts only, and an image is none")));
    }
  }
  return remarks;
}

std::string BaselineOf(const std::vector<CheckResult>& failures, absl::CivilDay expires) {
  std::string text =
      "# Accepted failures (docs/packs.md). Each needs a reason; it isn't read without.\n";
  if (failures.empty()) return text + "[]\n";
  for (const CheckResult& failure : failures) {
    StrAppend(&text, "\n# ", ForTerminal(failure.check().title()),
              "\n- check: ", failure.pack->parameters.pack(), "/", failure.check().id(),
              "\n  reason: \"\"\n  expires: ", absl::FormatCivilTime(expires), "\n");
  }
  return text;
}

}  // namespace dragnet::console
