// For tests: a thread in an empty network namespace of its own, with nft(8).
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>

#include "modules/firewall/dump.h"
#include "modules/firewall/ruleset.h"
#include "modules/run_context_fake.h"

namespace dragnet::firewall {

// Empty, or why tests can't have namespaces of their own here.
inline std::string WhyNoNetwork() {
  std::string why;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      why = "needs root for a network namespace";
    } else if (::system("nft list ruleset >/dev/null 2>&1") != 0) {
      why = "needs nft, and a kernel with nf_tables";
    }
  }).join();
  return why;
}

// Runs `body` in a thread in a namespace of its own; what that starts is in it, too.
inline void InNewNetwork(const std::function<void()>& body) {
  std::thread([&] {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    body();
  }).join();
}

// A shell command with `input` on standard input. False when it fails.
inline bool Command(const std::string& command, const std::string& input = "") {
  FILE* pipe = ::popen(command.c_str(), "w");
  if (pipe == nullptr) return false;
  ::fwrite(input.data(), 1, input.size(), pipe);
  return ::pclose(pipe) == 0;
}

inline bool Nft(const std::string& rules) { return Command("nft -f -", rules); }

// Of the calling thread's namespace.
inline Ruleset CurrentRuleset() {
  FakeRunContext context;
  const auto dump = TakeDump(context);
  EXPECT_TRUE(dump.ok()) << dump.status();
  EXPECT_TRUE(context.unexamined.empty());
  auto ruleset = ParseRuleset(*dump);
  EXPECT_TRUE(ruleset.ok()) << ruleset.status();
  return *std::move(ruleset);
}

}  // namespace dragnet::firewall
