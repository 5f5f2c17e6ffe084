#include "core/uuid.h"

#include <set>

#include "gtest/gtest.h"

namespace dragnet {
namespace {

TEST(UuidTest, Version7CarriesItsMillisecondsAndSorts) {
  // RFC 9562, appendix A.6: 0x017F22E279B0 is 2022-02-22 19:22:22 UTC.
  const absl::Time time = absl::FromUnixMillis(0x017F22E279B0);
  const std::string id = NewUuidV7(time);
  EXPECT_EQ(id.substr(0, 13), "017f22e2-79b0");
  EXPECT_TRUE(IsUuidV7(id));
  EXPECT_LT(id, NewUuidV7(time + absl::Milliseconds(1)));
}

TEST(UuidTest, IdsAreDifferent) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    ids.insert(NewUuidV4());
    ids.insert(NewUuidV7(absl::UnixEpoch()));
  }
  EXPECT_EQ(ids.size(), 2000u);
}

TEST(UuidTest, OnlyCanonicalTextIsAnId) {
  const std::string id = NewUuidV4();
  EXPECT_TRUE(IsUuid(id));
  EXPECT_FALSE(IsUuidV7(id));
  EXPECT_FALSE(IsUuid("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"));
  EXPECT_FALSE(IsUuid("017f22e279b07cc398c4dc0c0c07398f"));
  EXPECT_FALSE(IsUuid(id + " "));
  EXPECT_FALSE(IsUuid(""));
  EXPECT_FALSE(IsUuid("../../../../../../../../../../etc/pass"));
  EXPECT_FALSE(IsUuidV7("017f22e2-79b0-7cc3-18c4-dc0c0c07398f"));  // variant
}

}  // namespace
}  // namespace dragnet
