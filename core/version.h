#pragma once

namespace dragnet {

// Set by CMakeLists.txt, project(VERSION).
inline constexpr char kVersion[] = DRAGNET_VERSION;

}  // namespace dragnet
