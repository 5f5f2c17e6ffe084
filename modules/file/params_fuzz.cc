// libFuzzer target: parameters as a hostile investigator might send them. They
// are refused or compiled, and a refusal is one line that a terminal can be
// trusted with.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/strings.h"
#include "core/text.h"
#include "modules/file/file.pb.h"
#include "modules/file/search.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dragnet::file::v1::FileParameters parameters;
  if (!parameters.ParseFromArray(data, static_cast<int>(size))) return 0;
  const auto compiled = dragnet::file::CompileSearches(parameters);
  if (compiled.ok()) return 0;
  const std::string message(dragnet::ToStd(compiled.status().message()));
  if (message.empty() || dragnet::ForTerminal(message) != message) std::abort();
  return 0;
}
