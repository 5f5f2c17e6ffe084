#include "agent/monitor/host_fingerprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dragnet {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kUuid[] = "12a5c0de-aa11-4b22-8c33-d44455566677";
constexpr char kOtherUuid[] = "22a5c0de-aa11-4b22-8c33-d44455566677";
constexpr char kMachineId[] = "3d1219c7c4c5404aaa1f6d2a48adfda4\n";
constexpr char kOtherMachineId[] = "4d1219c7c4c5404aaa1f6d2a48adfda4\n";

TEST(HostFingerprintTest, TellsMachinesApartByTheirUuid) {
  const std::string host = HostFingerprintOf(kUuid, kMachineId);
  EXPECT_FALSE(IsAnotherHost(host, HostFingerprintOf(kUuid, kMachineId)));
  EXPECT_TRUE(IsAnotherHost(host, HostFingerprintOf(kOtherUuid, kMachineId)));
  // Installed anew on the same machine, or a machine-id that was made anew.
  EXPECT_FALSE(IsAnotherHost(host, HostFingerprintOf(kUuid, kOtherMachineId)));
}

TEST(HostFingerprintTest, TellsThemApartByTheMachineIdWhereOneHasNoUuid) {
  const std::string host = HostFingerprintOf("", kMachineId);
  EXPECT_FALSE(IsAnotherHost(host, HostFingerprintOf(kUuid, kMachineId)));
  EXPECT_TRUE(IsAnotherHost(host, HostFingerprintOf("", kOtherMachineId)));
  EXPECT_TRUE(IsAnotherHost(HostFingerprintOf(kUuid, kMachineId),
                            HostFingerprintOf("Not Settable", kOtherMachineId)));
}

TEST(HostFingerprintTest, WhatIsNotKnownIsNoOtherMachine) {
  const std::string host = HostFingerprintOf(kUuid, "");
  EXPECT_FALSE(IsAnotherHost("", host));
  EXPECT_FALSE(IsAnotherHost(host, ""));
  EXPECT_FALSE(IsAnotherHost(host, HostFingerprintOf("", kMachineId)));
  EXPECT_FALSE(IsAnotherHost("garbage\n:", host));
}

TEST(HostFingerprintTest, PlaceholdersOfMakersAreNoUuid) {
  for (const char* uuid :
       {"00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009", "To be filled by O.E.M.", "Not Specified", "None",
        "", "12345678"}) {
    EXPECT_EQ(HostFingerprintOf(uuid, ""), "") << uuid;
  }
  EXPECT_EQ(HostFingerprintOf("", "uninitialized\n"), "");
}

TEST(HostFingerprintTest, AnotherKernelsByteOrderIsTheSameMachine) {
  EXPECT_FALSE(IsAnotherHost(HostFingerprintOf("12A5C0DE-AA11-4B22-8C33-D44455566677\n", ""),
                             HostFingerprintOf("dec0a512-11aa-224b-8c33-d44455566677", "")));
}

TEST(HostFingerprintTest, HoldsDigestsOnly) {
  const std::string host = HostFingerprintOf(kUuid, kMachineId);
  EXPECT_THAT(host, Not(HasSubstr("12a5c0de")));
  EXPECT_THAT(host, Not(HasSubstr("3d1219c7")));
}

}  // namespace
}  // namespace dragnet
