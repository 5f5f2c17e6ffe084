// core/testing.h's fleet with keys that are the same on every run, so that an
// input which was found stays one.
#pragma once

#include <string>

#include "absl/strings/escaping.h"
#include "core/strings.h"
#include "core/testing.h"

namespace dragnet::fuzz {

// Ed25519, of 32 times this byte (RFC 8410, section 7).
inline PrivateKey FixedKey(char byte) {
  const std::string der =
      absl::HexStringToBytes("302e020100300506032b657004220420") + std::string(32, byte);
  return *PrivateKey::FromPem(StrCat("-----BEGIN PRIVATE KEY-----\n", absl::Base64Escape(der),
                                     "\n-----END PRIVATE KEY-----\n"));
}

inline testing::Fleet FixedFleet() {
  testing::Fleet fleet;
  fleet.roots = {FixedKey('r'), FixedKey('s')};
  fleet.alice = FixedKey('a');
  fleet.bob = FixedKey('b');
  fleet.carol = FixedKey('c');
  fleet.releasers = {FixedKey('x'), FixedKey('y'), FixedKey('z')};
  return fleet;
}

// Of module `file`, by alice alone, with an id that never changes.
inline v1::Action FixedAction(const testing::Fleet& fleet) {
  v1::Action action = fleet.ActionProto();
  action.set_id("018f0000-0000-7000-8000-000000000001");
  action.mutable_operations(0)->set_parameters("parameters");
  return action;
}

}  // namespace dragnet::fuzz
