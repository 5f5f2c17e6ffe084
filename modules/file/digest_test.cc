#include "modules/file/digest.h"

#include <gtest/gtest.h>

#include "core/text.h"

namespace dragnet::file {
namespace {

std::string Hash(Digester& digester, DigestKind kind, std::string_view text) {
  EXPECT_TRUE(digester.Start(Bit(kind)).ok());
  for (char c : text) digester.Update({&c, 1});
  digester.Finish();
  EXPECT_EQ(digester.Value(kind).size(), DigestSize(kind));
  return HexEncode(digester.Value(kind));
}

// RFC 1321, FIPS 180-4 and FIPS 202 examples for "abc".
TEST(Digester, GivesThePublishedHashes) {
  Digester digester;
  using enum DigestKind;
  EXPECT_EQ(Hash(digester, kMd5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(Hash(digester, kSha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Hash(digester, kSha224, "abc"),
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7");
  EXPECT_EQ(Hash(digester, kSha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hash(digester, kSha384, "abc"),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(Hash(digester, kSha512, "abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(Hash(digester, kSha3_224, "abc"),
            "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf");
  EXPECT_EQ(Hash(digester, kSha3_256, "abc"),
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
  EXPECT_EQ(Hash(digester, kSha3_384, "abc"),
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2"
            "98d88cea927ac7f539f1edf228376d25");
  EXPECT_EQ(Hash(digester, kSha3_512, "abc"),
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
            "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0");
}

TEST(Digester, BeginsAnewForEachFileAndMakesOnlyWhatIsAsked) {
  Digester digester;
  using enum DigestKind;
  ASSERT_TRUE(digester.Start(Bit(kMd5) | Bit(kSha1)).ok());
  digester.Update("left over");
  ASSERT_TRUE(digester.Start(Bit(kMd5)).ok());
  digester.Finish();
  EXPECT_EQ(HexEncode(digester.Value(kMd5)), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(digester.Value(kSha1), "");
  EXPECT_EQ(digester.Value(kSha256), "");
}

}  // namespace
}  // namespace dragnet::file
