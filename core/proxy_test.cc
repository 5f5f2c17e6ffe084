#include "core/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace dragnet {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProxyTest, HostAndPort) {
  const auto proxy = Proxy::FromUrl("http://proxy.example:3128");
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  EXPECT_EQ(proxy->address(), "proxy.example:3128");
  EXPECT_EQ(proxy->port(), 3128);
  EXPECT_EQ(proxy->authorization(), "");
  EXPECT_EQ(Proxy::FromUrl("http://[2001:db8::1]:8080")->address(), "[2001:db8::1]:8080");
}

TEST(ProxyTest, UserAndPasswordAreDecodedAsInUrls) {
  // RFC 7617, section 2.
  EXPECT_EQ(Proxy::FromUrl("http://Aladdin:open%20sesame@p:1")->authorization(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  // "u:p@:%"
  EXPECT_EQ(Proxy::FromUrl("http://u:p%40:%25@p:1")->authorization(), "Basic dTpwQDol");
}

TEST(ProxyTest, WhatIsNoProxyIsRefusedWithoutItsPassword) {
  const std::string nul("http://u:secret@p\0:1", 20);
  for (const std::string& url : {std::string(""),
                                 std::string("proxy:3128"),
                                 std::string("https://u:secret@p:1"),
                                 std::string("HTTP://u:secret@p:1"),
                                 std::string("socks5://u:secret@p:1"),
                                 std::string("http://u:secret@p"),
                                 std::string("http://u:secret@p:0"),
                                 std::string("http://u:secret@p:65536"),
                                 std::string("http://u:secret@p:1/"),
                                 std::string("http://u:secret@p:1?x"),
                                 std::string("http://u:secret@p:+1"),
                                 std::string("http://u:secret@:1"),
                                 std::string("http://secret@p:1"),
                                 std::string("http://:secret@p:1"),
                                 std::string("http://u:secret%@p:1"),
                                 std::string("http://u:secret%4@p:1"),
                                 std::string("http://u:secret%0d%0aX:%20y@p:1"),
                                 std::string("http://u%3Av:secret@p:1"),
                                 std::string("http://u:secret@x@p:1"),
                                 std::string("http://u:secret@p\r\nHost: x:1"),
                                 std::string("http://u:secret@p q:1"),
                                 std::string("http://u:secret@[::1:1"),
                                 std::string("http://u:secret@pröxy:1"),
                                 nul,
                                 "http://u:secret@" + std::string(256, 'p') + ":1",
                                 "http://u:secret" + std::string(2000, 'x') + "@p:1"}) {
    const auto proxy = Proxy::FromUrl(url);
    EXPECT_EQ(proxy.status().code(), absl::StatusCode::kInvalidArgument) << url;
    EXPECT_THAT(std::string(proxy.status().message()), Not(HasSubstr("secret"))) << url;
  }
}

}  // namespace
}  // namespace dragnet
