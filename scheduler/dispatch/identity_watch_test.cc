#include "scheduler/dispatch/identity_watch.h"

#include <gtest/gtest.h>

#include "core/action.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet::scheduler {
namespace {

constexpr char kA[] = "aaaaaaaa-0000-4000-8000-000000000000";
constexpr char kB[] = "bbbbbbbb-0000-4000-8000-000000000000";
const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

v1::Facts FactsOf(std::string_view name, absl::Time boot_time) {
  v1::Facts facts;
  facts.set_name(std::string(name));
  facts.add_addresses("10.0.0.1");
  *facts.mutable_boot_time() = ToTimestamp(boot_time);
  return facts;
}

class IdentityWatchTest : public testing::Test {
 protected:
  // Booted an hour before the first one said Hello.
  const v1::Facts a_ = FactsOf("web1", kStart - absl::Hours(1));
  const v1::Facts b_ = FactsOf("clone", kStart - absl::Minutes(1));
  IdentityWatch watch_;
};

TEST_F(IdentityWatchTest, OneHostThatReconnectsIsOne) {
  for (int i = 0; i < 10; ++i) {
    const absl::Time now = kStart + absl::Minutes(i);
    EXPECT_FALSE(watch_.OnHello(kA, a_, a_, now));
    EXPECT_FALSE(watch_.OnHeartbeat(kA, now, now));
  }
  EXPECT_FALSE(watch_.duplicate());
}

TEST_F(IdentityWatchTest, ARebootIsNoClone) {
  watch_.OnHello(kA, a_, {}, kStart);
  const absl::Time booted = kStart + absl::Minutes(5);
  EXPECT_FALSE(watch_.OnHello(kB, FactsOf("web1", booted), a_, booted + absl::Seconds(20)));
  EXPECT_FALSE(watch_.OnHeartbeat(kB, booted + absl::Minutes(1), booted + absl::Minutes(1)));
  EXPECT_FALSE(watch_.duplicate());
}

TEST_F(IdentityWatchTest, LastWordsThatComeAfterTheRebootAreNoClone) {
  watch_.OnHello(kA, a_, {}, kStart);
  const absl::Time booted = kStart + absl::Minutes(5);
  watch_.OnHello(kB, FactsOf("web1", booted), a_, booted + absl::Seconds(20));
  // Read late, because the scheduler had stopped reading that session.
  EXPECT_FALSE(watch_.OnHeartbeat(kA, booted - absl::Seconds(10), booted + absl::Seconds(30)));
  EXPECT_FALSE(watch_.duplicate());
}

TEST_F(IdentityWatchTest, AFirstHostThatLivesOnBesidesTheSecondIsFoundAndSaidOnce) {
  watch_.OnHello(kA, a_, {}, kStart);
  EXPECT_FALSE(watch_.OnHello(kB, b_, a_, kStart + absl::Seconds(10)));
  const absl::Time later = kStart + absl::Seconds(30);
  EXPECT_TRUE(watch_.OnHeartbeat(kA, later, later));
  EXPECT_FALSE(watch_.OnHeartbeat(kA, later, later));
  EXPECT_TRUE(watch_.duplicate());
  const auto hosts = watch_.Hosts(later);
  ASSERT_EQ(hosts.size(), 2u);
  EXPECT_EQ(hosts[0], StrCat("web1 (10.0.0.1) boot ", kA, " since 2023-11-14T22:13:20Z"));
  EXPECT_EQ(hosts[1], StrCat("clone (10.0.0.1) boot ", kB, " since 2023-11-14T22:13:30Z"));
}

TEST_F(IdentityWatchTest, ABootIdThatComesBackIsAClone) {
  // Never connected at the same time.
  watch_.OnHello(kA, a_, {}, kStart);
  EXPECT_FALSE(watch_.OnHello(kB, b_, a_, kStart + absl::Hours(1)));
  EXPECT_TRUE(watch_.OnHello(kA, a_, b_, kStart + absl::Hours(2)));
  EXPECT_TRUE(watch_.duplicate());
}

TEST_F(IdentityWatchTest, ItEndsWhenOnlyOneIsHeardForTenMinutes) {
  watch_.OnHello(kA, a_, {}, kStart);
  watch_.OnHello(kB, b_, a_, kStart);
  ASSERT_TRUE(watch_.OnHeartbeat(kA, kStart, kStart));
  absl::Time now = kStart;
  for (int i = 0; i < 9; ++i) {
    now += absl::Minutes(1);
    watch_.OnHeartbeat(kA, now, now);
    EXPECT_FALSE(watch_.Expire(now));
  }
  now += absl::Minutes(1);
  watch_.OnHeartbeat(kA, now, now);
  EXPECT_TRUE(watch_.Expire(now));
  EXPECT_FALSE(watch_.duplicate());
  EXPECT_TRUE(watch_.Hosts(now).empty());
  // The one that is left doesn't start it anew, the other one does.
  EXPECT_FALSE(watch_.OnHeartbeat(kA, now, now));
  EXPECT_FALSE(watch_.OnHello(kA, a_, a_, now));
  EXPECT_TRUE(watch_.OnHello(kB, b_, a_, now));
}

TEST_F(IdentityWatchTest, TwoThatGoOnStayTwo) {
  watch_.OnHello(kA, a_, {}, kStart);
  watch_.OnHello(kB, b_, a_, kStart);
  absl::Time now = kStart;
  for (int i = 0; i < 100; ++i) {
    now += absl::Minutes(1);
    watch_.OnHeartbeat(kA, now, now);
    watch_.OnHeartbeat(kB, now, now);
    EXPECT_FALSE(watch_.Expire(now));
  }
  EXPECT_TRUE(watch_.duplicate());
}

TEST_F(IdentityWatchTest, OfAHostThatDoesNotSayNothingFollows) {
  watch_.OnHello("", a_, {}, kStart);
  watch_.OnHello(kA, a_, {}, kStart);
  watch_.OnHello("", a_, {}, kStart);
  EXPECT_FALSE(watch_.OnHeartbeat("", kStart, kStart));
  EXPECT_FALSE(watch_.OnHello(kA, a_, {}, kStart));
  EXPECT_FALSE(watch_.duplicate());
}

TEST_F(IdentityWatchTest, MemoryIsBoundedWhateverAHostSays) {
  absl::Time now = kStart;
  for (int i = 0; i < 1000; ++i) {
    now += absl::Seconds(1);
    watch_.OnHello(NewUuidV4(), FactsOf(std::string(100'000, 'x'), now), a_, now);
  }
  watch_.OnHello(kA, a_, a_, now);
  watch_.OnHello(kB, b_, a_, now);
  watch_.OnHello(kA, a_, b_, now);
  size_t bytes = 0;
  EXPECT_LE(watch_.Hosts(now).size(), IdentityWatch::kMaxHosts);
  for (const std::string& line : watch_.Hosts(now)) bytes += line.size();
  EXPECT_LT(bytes, 4096u);
}

TEST_F(IdentityWatchTest, TextFromHostsIsDefused) {
  watch_.OnHello(kA, FactsOf("\x1b[2J\n", kStart), {}, kStart);
  watch_.OnHello(kB, FactsOf("\x1b[2J\n", kStart), FactsOf("\x1b[2J\n", kStart), kStart);
  watch_.OnHello(kA, FactsOf("\x1b[2J\n", kStart), b_, kStart);
  for (const std::string& line : watch_.Hosts(kStart)) {
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_EQ(line.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace dragnet::scheduler
