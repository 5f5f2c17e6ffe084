// Failures that somebody accepted, until a day (docs/packs.md). Thread-safe after
// reading.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/civil_time.h"
#include "console/check/result.h"
#include "console/packs/problems.h"
#include "re2/re2.h"

namespace dragnet::console {

class Baseline {
 public:
  // Nothing, with errors, for what isn't a valid baseline. `file` is its name in errors.
  static std::optional<Baseline> Parse(std::string_view text, std::string_view file,
                                       Problems* problems);

  // Of a failure, when an entry accepts it on this host and day. Never of an unknown.
  // `host` is empty for an image, whose name isn't known: entries with hosts accept
  // nothing there.
  std::optional<Acceptance> Accepts(const CheckResult& result, std::string_view host,
                                    absl::CivilDay today) const;

  // What a person should know: entries that have expired, those about checks that none
  // of the packs has, and with an empty `host` those with hosts. Fit for a terminal.
  std::vector<std::string> Remarks(const std::vector<Pack>& packs, std::string_view host,
                                   absl::CivilDay today) const;

 private:
  struct Entry {
    // ID or PACK/ID.
    std::string check;
    Acceptance acceptance;
    absl::CivilDay expires;
    std::vector<std::string> hosts;
    std::shared_ptr<const RE2> evidence;
    Place place;

    bool IsAbout(const Pack& pack, std::string_view id) const;
  };

  static std::optional<Entry> ParseEntry(const YamlNode& node, const std::string& path,
                                         Problems* problems);
  static bool ParseExpiry(const YamlNode& node, const std::string& path, Entry* entry,
                          Problems* problems);

  std::vector<Entry> entries_;
};

// A baseline of these failures, to be filled in: reasons are missing.
std::string BaselineOf(const std::vector<CheckResult>& failures, absl::CivilDay expires);

}  // namespace dragnet::console
