// The form of systemd's unit files (systemd.syntax(7)), which desktop entries
// share. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace dragnet::persistence {

struct UnitLine {
  std::string_view section;
  std::string_view key;
  // Continued lines are joined by a space.
  std::string_view value;
  // Where the key stands, from 1.
  uint32_t line = 0;
};

// Calls `take` with each assignment until it returns false; other lines are
// passed over. The texts are valid during the call.
void ParseUnitFile(std::string_view text, const std::function<bool(const UnitLine&)>& take);

// An Exec…= value without the characters that systemd takes off its front
// (systemd.service(5), table "Special executable prefixes").
std::string_view WithoutExecPrefix(std::string_view command);
// Whether these let the command run as root whatever User= says.
bool HasFullPrivileges(std::string_view command);

}  // namespace dragnet::persistence
