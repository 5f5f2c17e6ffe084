#pragma once

namespace dragnet {

// Set by CMakeLists.txt, project(VERSION). In an object of its own, so that one build
// can make programs of two versions for the tests of upgrades.
extern const char* const kVersion;

}  // namespace dragnet
