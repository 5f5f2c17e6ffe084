// What a module declares before any of its code runs: the only thing about
// modules that the agent's monitor knows. Data, no code.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace dragnet {

enum class NetworkAccess {
  // An empty network namespace, and no socket(2).
  kNone,
  // The host's network namespace.
  kHost,
};

struct ModuleManifest {
  // Lower case, as in actions and on the command line.
  std::string_view name;
  // One line for lists.
  std::string_view summary;
  // Capabilities (capability.h, CAP_…) that the worker keeps when the agent
  // runs as root. Everything else is dropped.
  std::span<const int> capabilities;
  NetworkAccess network = NetworkAccess::kNone;
  // Other modules whose powers this one uses: an operation needs the weight
  // that the trust policy asks for each of them, too.
  std::span<const std::string_view> uses_powers_of;
};

// All modules of this build, by name. Generated from modules/CMakeLists.txt.
std::span<const ModuleManifest* const> AllManifests();
// Null when there is none of this name.
const ModuleManifest* FindManifest(std::string_view name);

}  // namespace dragnet
