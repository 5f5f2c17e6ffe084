// Whether a search's filters hold. Stateless and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "modules/netstat/fact.h"
#include "modules/netstat/search.h"

namespace dragnet::netstat {

// What filters see of a process. All text is valid UTF-8. What could not be read
// is empty.
struct ProcessView {
  uint32_t pid = 0;
  std::string_view name;
  std::string_view exe;
  std::string_view cmdline;
  std::optional<uint32_t> uid;
  // Its name, or its number.
  std::string_view user;
  std::string_view container;
};

// The filters on the thing itself, not on its process.
bool FactHolds(const Search& search, const Fact& fact);

// The filters on processes; true when there are none.
bool ProcessHolds(const Search& search, const ProcessView& process);

// The filter on users alone, for a socket whose process isn't known.
bool UserHolds(const Search& search, std::optional<uint32_t> uid, std::string_view user);

}  // namespace dragnet::netstat
