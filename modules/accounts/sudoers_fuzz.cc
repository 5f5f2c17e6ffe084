// libFuzzer target: sudoers files that somebody made up, which may include
// themselves and each other. Reading them ends, and says only what it may.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "modules/accounts/sudoers.h"
#include "modules/accounts/sudoers_fake.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string content(reinterpret_cast<const char*>(data), size);
  const size_t half = content.find('\0');
  dragnet::accounts::FakeSudoers source(dragnet::accounts::FakeSudoers::Files{
      {"/s", content.substr(0, half)},
      {"/d/a", half == std::string::npos ? std::string() : content.substr(half + 1)}});
  const auto sudoers = ReadSudoers(source, "/s");
  if (sudoers.rights.size() > dragnet::accounts::kMaxSudoRights) std::abort();
  for (const auto& right : sudoers.rights)
    if (right.who.empty() || right.commands.empty() || right.line == 0) std::abort();
  for (const auto& setting : sudoers.defaults)
    if (setting.name.empty()) std::abort();
  return 0;
}
