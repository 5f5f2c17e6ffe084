// main() of tests that speak gRPC: its set-up must come before any thread.
#include <gtest/gtest.h>
#include <signal.h>

#include "core/rpc/rpc.h"

int main(int argc, char** argv) {
  dragnet::rpc::InitializeProcess();
  ::signal(SIGPIPE, SIG_IGN);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
